"""Versions of a project as a process sees them, and the tags they leave."""

from pathlib import Path

from mlops_client.project import Project
from mlops_client.versions import Versions

REVISION, REASON = "mlops.data.revision", "mlops.data.reason"
MODELS = "mlops.models.revision"


def versions_in(root: Path) -> Versions:
    """Return the versions as a process that has just started sees them."""
    return Versions(Project("toy", root))


def model(root: Path, text: str) -> None:
    (root / "models").mkdir(exist_ok=True)
    (root / "models" / "best").write_text(text)
