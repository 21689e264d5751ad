"""The parameters of the page's address, and the pages of the things it shows."""

from dashboard import navigation
from dashboard.data.address import to as to_data
from services.lineage.models import NUMBERED, Node

ID, FIND, WAY = "id", "find", "way"
"""The thing that is looked at, the words that are looked for, up, down or both."""


def to(node_id: str) -> str:
    """Return the address that shows a thing's thread."""
    return navigation.address("lineage", id=node_id)


def page_of(node: Node) -> tuple[str, dict[str, str | None]] | None:
    """Return the page of a thing itself and its parameters, None when it has none."""
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
    if ref.kind == "alert" and ref.key.isdecimal():
        return "alerts", {"alert": ref.key}
    if ref.kind not in NUMBERED:
        return None
    project, model, number = ref.numbered
    if ref.kind == "version":
        return "model", {"of": project, "model": model, "version": str(number)}
    return "deployments", {"deployment": f"{project}.{model}"}
