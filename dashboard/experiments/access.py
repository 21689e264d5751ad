"""Runs a person may see: another project's run is as good as none."""

from dashboard import state
from services.errors import NotFoundError
from services.mirror.models import RunDetail


def detail_of(run_id: str) -> RunDetail:
    """Return a run of a project the person may see.

    Raises:
        NotFoundError: There is none, or it is not in their scope.
    """
    found = state.mirror().run(run_id)
    mine = state.visible_projects()
    if mine is not None and found.run.project not in mine:
        raise NotFoundError(
            f"There is no run {run_id[:64]!r} in your projects.",
            "An admin can widen the projects you see.",
        )
    return found
