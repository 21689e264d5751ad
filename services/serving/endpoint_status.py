"""How an endpoint is, for people: its phase and a sentence, and the same of its versions."""

from collections.abc import Sequence

from services.serving.models import Phase, VersionStatus
from services.serving.rollout import RolloutRun
from services.serving.versions import VersionRun


def phase(
    live: VersionRun | None, rollout: RolloutRun | None, runs: Sequence[VersionRun], *, gone: bool
) -> tuple[Phase, str]:
    """Return where an endpoint is, and what is to be said of it.

    Args:
        live: The version that answers.
        rollout: The one under way, or the last.
        runs: All versions that have, or are to have, model servers.
        gone: Whether nobody wants the endpoint any more.
    """
    if rollout is not None and rollout.under_way:
        return rollout.phase, rollout.said or rollout.run.said()
    if gone:
        if rollout is not None and rollout.outcome == "failed":
            return "failed", rollout.said
        return ("draining", "") if any(one.servers for one in runs) else ("stopped", "")
    if live is None:
        return (rollout.phase, rollout.said) if rollout is not None else ("waiting", "")
    return live.phase(), live.said()


def versions(
    live: VersionRun | None, rollout: RolloutRun | None, runs: Sequence[VersionRun], host: str
) -> tuple[VersionStatus, ...]:
    """Return how each version is, with its share of the requests (0 to 1)."""
    found = []
    new = rollout if rollout and rollout.under_way else None
    share = new.share if new is not None and new.routed else 0.0
    for run in runs:
        if new is not None and run is new.run:
            found.append(run.status(new.phase, share, host))
        elif run is live:
            found.append(run.status(run.phase(), 1.0 - share, host))
        else:
            found.append(run.status("draining", 0.0, host))
    return tuple(found)
