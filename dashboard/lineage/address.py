"""The parameters of the page's address, and the pages of the things it shows."""

from collections.abc import Sequence

from dashboard import navigation
from dashboard.data.address import to as to_data
from services.lineage.models import NUMBERED, Link, Node
from services.lineage.sources.watched import WatchedSource

ID, FIND, WAY, WIDE = "id", "find", "way", "wide"
"""The thing that is looked at, the words that are looked for, up, down or both, and how much."""


def to(node_id: str) -> str:
    """Return the address that shows a thing's thread."""
    return navigation.address("lineage", id=node_id)


def page_of(node: Node, links: Sequence[Link] = ()) -> tuple[str, dict[str, str | None]] | None:
    """Return the page of a thing itself and its parameters, None when it has none.

    ``links`` are of its thread: they say which deployment a verdict is of.
    """
    ref = node.ref
    if node.state == "gone":
        return None
    if ref.kind == "data" or ref.kind == "models":
        return ("data", to_data(node.project, ref.kind, ref.key)) if node.project else None
    if ref.kind == "run":
        return "run", {"run": ref.key}
    if ref.kind == "workflow":
        dag, _, run = ref.key.partition("/")
        return "workflows", {"dag": dag, "run": run}
    if ref.kind in WatchedSource.kinds:
        return _watched(node, links)
    if ref.kind not in NUMBERED:
        return None
    project, model, number = ref.numbered
    if ref.kind == "version":
        return "model", {"of": project, "model": model, "version": str(number)}
    return "deployments", {"deployment": f"{project}.{model}"}


def _watched(node: Node, links: Sequence[Link]) -> tuple[str, dict[str, str | None]] | None:
    if node.ref.kind == "alert":
        return "alerts", {"alert": node.ref.key}
    if node.ref.kind == "retraining":
        return "monitoring", {"retraining": node.ref.key}
    for one in links:
        if one.after == node.ref and one.before.kind == "predictions":
            project, model, _ = one.before.numbered
            return "monitoring", {"deployment": f"{project}.{model}", "verdict": node.ref.key}
    return None
