"""Putting a package into service: the one place that knows whether anything serves models here."""

from collections.abc import Sequence
from typing import Any

from services.workflows.packaging import Package


def deploy(project: str, packages: Sequence[Package]) -> dict[str, Any]:
    """Deploy packages; return the answer of the step ``deploy``.

    No serving engine is part of this platform yet, so there is a ``skip`` with the reason.
    """
    where = ", ".join(str(package.folder) for package in packages)
    said = (
        f"No serving engine runs on this platform, so nothing of {project} was deployed: ready at "
        f"{where}. Load it from there, or with `models:/NAME/VERSION` from the shared MLflow."
    )
    return {"skip": said, "said": said, "deployments": []}
