"""Where a project's collected rows lie: ``collected/`` in the first folder it lists as data.

Each version of the data says whose predictions are in it (``models.Collected``): counted from what
the files say of themselves when they are tracked, whoever tracks them.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from services.data.models import Collected
from services.errors import InputError
from services.projects.contract import require

if TYPE_CHECKING:
    from services.projects.contract import Contract

_LONGEST = 400
"""Characters of both names of a version."""
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


def held(root: Path, paths: Sequence[str]) -> tuple[Collected, ...]:
    """Return whose predictions are in tracked paths of a project: by what its files say."""
    return of_files(
        sorted(file for path in paths for file in (root / path / FOLDER).glob("*.parquet"))
    )


def of_files(files: Sequence[Path]) -> tuple[Collected, ...]:
    """Return whose predictions are in files of collected rows."""
    if not files:
        return ()
    from services.predictions import collected

    return _whole(one for file in files for one in _of_file(collected.about(file) or {}))


def written(rows: Sequence[Collected]) -> str:
    """Return it as one line."""
    return json.dumps([asdict(one) for one in rows], separators=(",", ":"))


def read(line: str) -> tuple[Collected, ...]:
    """Return what a line says; what is none of ours says nothing."""
    try:
        return tuple(Collected(**one) for one in json.loads(line)) if line else ()
    except (ValueError, TypeError):
        return ()


def _of_file(said: Mapping[str, Any]) -> Iterator[Collected]:
    """Yield what a file says that it is of; one of somebody else's making may say anything."""
    try:
        found = [
            Collected(
                str(said["project"]), str(said["model"]), int(number), int(rows), int(labelled),
                float(said["since"]), float(said["until"]),
            )
            for number, (rows, labelled) in said["versions"].items()
        ]  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return
    yield from filter(_sound, found)


def _sound(one: Collected) -> bool:
    """Return whether such a thing can be: its names lead to a version, its numbers are counts."""
    named = bool(one.project and one.model) and "/" not in one.project
    short = len(one.project) + len(one.model) <= _LONGEST
    counted = 0 <= one.labelled <= one.rows > 0 and one.version >= 0
    return named and short and counted and math.isfinite(one.since) and math.isfinite(one.until)


def _whole(found: Iterable[Collected]) -> tuple[Collected, ...]:
    """Return one for each version of a model: of several files the sums, and all their time."""
    sums: dict[tuple[str, str, int], Collected] = {}
    for one in found:
        key = (one.project, one.model, one.version)
        before = sums.get(key, one)
        more = (0, 0) if before is one else (before.rows, before.labelled)
        sums[key] = Collected(
            *key, one.rows + more[0], one.labelled + more[1],
            min(one.since, before.since), max(one.until, before.until),
        )  # fmt: skip
    return tuple(sums[key] for key in sorted(sums))
