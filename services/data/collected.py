"""Where a project's collected rows lie: ``collected/`` in the first folder it lists as data."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from services.errors import InputError
from services.projects.contract import require

if TYPE_CHECKING:
    from services.projects.contract import Contract

FOLDER = "collected"


@dataclass(frozen=True, slots=True)
class Collection:
    """One file of collected rows."""

    path: Path
    model: str
    since: float
    """Seconds since 1970, as ``until``: of what time its predictions are."""
    until: float
    rows: int
    labelled: int
    """Rows with a label."""


def place(root: Path, contract: "Contract") -> Path:
    """Return the folder for a project's collected rows, whether it is there or not.

    Raises:
        InputError: The project lists no folder as data.
    """
    for path in contract.data:
        if path.endswith("/") or (root / path).is_dir():
            return root / path / FOLDER
    raise InputError(
        f"{contract.title} lists no folder as data, so collected rows could not be versioned.",
        'Add data = ["data/"] to [tool.mlops] in its pyproject.toml.',
    )


def require_learned(root: Path) -> None:
    """Let a project pass whose training learns from collected rows.

    Raises:
        InputError: Its contract does not say so, or it lists no folder as data.
    """
    contract = require(root)
    if not contract.collected:
        raise InputError(
            f"{contract.title} does not learn from collected rows, so to collect them before a "
            "retraining would change nothing.",
            "A project whose training reads them says collected = true in its [tool.mlops].",
        )
    place(root, contract)


def file_name(model: str, stamp: str) -> str:
    """Return the name of a file of a model's rows; a model may be called anything."""
    return f"{quote(model, safe=' ')[:150]}.{stamp}.parquet"


def collections(root: Path, contract: "Contract", model: str) -> tuple[Collection, ...]:
    """Return what was collected of a model, the newest time first; none where nothing was."""
    from services.predictions import collected

    try:
        paths = sorted(place(root, contract).glob("*.parquet"))
    except (InputError, OSError):
        return ()
    said = [(path, collected.about(path)) for path in paths]
    found = [
        Collection(path, model, one["since"], one["until"], one["rows"], one["labelled"])
        for path, one in said
        if one is not None and one.get("model") == model
    ]
    return tuple(sorted(found, key=lambda one: one.until, reverse=True))
