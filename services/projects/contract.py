"""The project contract: the ``[tool.mlops]`` table of a project's pyproject.toml."""

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.errors import InputError
from services.projects.wishes import Wishes

ID_PATTERN = r"^[a-z][a-z0-9-]{1,40}$"
_GATE = re.compile(r"\s*(>=|<=|==|>|<)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")
_TEXT_LIMIT = 2_000_000


class PrimaryMetric(BaseModel):
    """The number a project is judged by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=250)
    goal: Literal["max", "min"] = "max"


class Contract(Wishes):
    """``[tool.mlops]``, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    title: str = Field(min_length=1, max_length=120)
    kind: Literal["easy", "intermediate", "advanced"] = "intermediate"
    priority: int = Field(default=5, ge=1, le=10)
    memory_limit_gb: float = Field(default=8, gt=0, le=1024)
    train: str = Field(min_length=1, max_length=500)
    evaluate: str = ""
    data: tuple[str, ...] = ()
    collected: bool = False
    """Whether training learns from what ``mlops data collect`` writes to the data."""
    models: tuple[str, ...] = ()
    primary_metric: PrimaryMetric | None = None
    gates: dict[str, str] = Field(default_factory=dict)

    @field_validator("data", "models")
    @classmethod
    def _inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            parts = Path(path).parts
            if Path(path).is_absolute() or ".." in parts or not parts:
                raise ValueError(f"{path!r} leaves the project's folder")
        return paths

    @field_validator("gates")
    @classmethod
    def _gates(cls, gates: dict[str, str]) -> dict[str, str]:
        for metric, bound in gates.items():
            if not _GATE.fullmatch(bound):
                raise ValueError(f'the gate of {metric} is {bound!r}; write for example ">= 0.90"')
        return gates


@dataclass(frozen=True, slots=True)
class Project:
    """A folder that has been looked at: its contract, or why it has none."""

    path: Path
    contract: Contract | None
    reasons: tuple[str, ...] = ()
    """Why it cannot be connected, as sentences."""
    table: bool = True
    """Whether the folder has a ``[tool.mlops]`` table at all."""
    pyproject: dict[str, object] = field(default_factory=dict)


def valid_id(project_id: str) -> str:
    """Return the id unchanged.

    Raises:
        InputError: It is no project id; the message says what one is.
    """
    if not re.fullmatch(ID_PATTERN, project_id):
        shown = project_id if len(project_id) <= 40 else f"{project_id[:40]}…"
        raise InputError(
            f"{shown!r} is no project id.",
            "An id has 2 to 41 characters: a to z, 0 to 9 and -, and begins with a letter.",
        )
    return project_id


def look(path: Path) -> Project:
    """Read a folder's contract; what is wrong with it is in ``reasons``, never raised."""
    return look_at(path, path / "pyproject.toml")


def look_at(path: Path, file: Path) -> Project:
    """Read the contract a folder would have with this file as its pyproject.toml."""
    try:
        raw = _content(file)
    except FileNotFoundError:
        return Project(path, None, ("There is no pyproject.toml.",), table=False)
    except (OSError, UnicodeDecodeError) as error:
        return Project(path, None, (f"pyproject.toml cannot be read: {error}.",))
    except (ValueError, RecursionError) as error:  # numbers without end, lists within lists
        return Project(path, None, (f"pyproject.toml is not valid TOML: {error}.",))
    table = raw.get("tool", {})
    table = table.get("mlops") if isinstance(table, dict) else None
    if table is None:
        reason = "pyproject.toml has no [tool.mlops] table; `mlops projects add` proposes one."
        return Project(path, None, (reason,), table=False, pyproject=raw)
    try:
        return Project(path, Contract.model_validate(table), pyproject=raw)
    except ValidationError as error:
        return Project(path, None, tuple(_sentence(part) for part in error.errors()), pyproject=raw)


def _content(file: Path) -> dict[str, Any]:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{file} is not a file")
    if status.st_size > _TEXT_LIMIT:
        raise OSError(f"it is larger than {_TEXT_LIMIT:,} bytes")
    # What is no text in the folder's name could be neither stored nor shown.
    if str(file.parent).encode(errors="replace") != os.fsencode(file.parent):
        raise OSError("the name of its folder is not valid UTF-8; rename it")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def require(path: Path) -> Contract:
    """Return a folder's contract.

    Raises:
        InputError: It has none, or a broken one; the message tells each fault.
    """
    project = look(path)
    if project.contract is None:
        _refuse(path, project.reasons)
    return project.contract


def _refuse(path: Path, reasons: tuple[str, ...]) -> NoReturn:
    raise InputError(f"{path} is not a toolkit project: {' '.join(reasons)}")


def _sentence(fault: object) -> str:
    assert isinstance(fault, dict)  # noqa: S101 - pydantic's error details
    where = "".join(f" {part}" for part in fault["loc"][:1])
    where += "".join(f".{part}" for part in fault["loc"][1:])
    said = str(fault["msg"]).removeprefix("Value error, ")
    return f"[tool.mlops]{where}: {said[0].lower()}{said[1:]}."
