"""Adopting a folder that is no toolkit project yet: propose a contract from what is there."""

import contextlib
import json
import re
import shutil
from pathlib import Path

from services.errors import InputError, PlatformError
from services.projects.contract import look, look_at

_TRAIN = ("train.py", "main.py", "run.py", "src/train.py", "scripts/train.py")
_EVALUATE = ("evaluate.py", "eval.py", "test_model.py", "src/evaluate.py", "scripts/evaluate.py")
_DATA = ("data", "datasets", "dataset")
_MODELS = ("models", "checkpoints", "outputs", "weights")


def propose(path: Path) -> str:
    """Return the ``[tool.mlops]`` table that suits a folder, as TOML.

    Raises:
        InputError: There is no such folder, or nothing in it can be trained.
    """
    if not path.is_dir():
        raise InputError(f"There is no folder {path}.", "Give the folder of the project.")
    known = look(path)
    project = known.pyproject.get("project")
    named = project.get("name") if isinstance(project, dict) else None
    name = str(named or path.resolve().name)
    train = _first(path, _TRAIN)
    if train is None:
        raise InputError(
            f"Nothing in {path} looks like training.",
            f"Looked for {', '.join(_TRAIN)}. Write the [tool.mlops] table by hand (README.md).",
        )
    lines = [
        "[tool.mlops]",
        f"id = {json.dumps(_as_id(name))}",
        f"title = {json.dumps(_as_title(name))}",
        f'train = "python {train}"',
    ]
    evaluate = _first(path, _EVALUATE)
    if evaluate is not None:
        lines.append(f'evaluate = "python {evaluate}"')
    for key, names in (("data", _DATA), ("models", _MODELS)):
        folders = [f"{folder}/" for folder in names if (path / folder).is_dir()]
        if folders:
            lines.append(f"{key} = {json.dumps(folders)}")
    return "\n".join(lines) + "\n"


def adopt(path: Path, table: str) -> None:
    """Append a table to the folder's pyproject.toml, made when it is missing.

    Raises:
        InputError: The result would not be a valid project; the file is left as it was.
        PlatformError: It cannot be written, e.g. on a full disk; it is left as it was.
    """
    file = path / "pyproject.toml"
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    text = f"{before.rstrip()}\n\n{table}".lstrip() if before else table
    new = file.with_name(".pyproject.toml.new")
    try:
        new.write_text(text, encoding="utf-8")
        if before:
            shutil.copymode(file, new)
        reasons = look_at(path, new).reasons
        if reasons:
            raise InputError(
                f"The proposed table does not make a valid project: {' '.join(reasons)}"
            )
        new.replace(file)  # whole or not at all: the file is the person's own
    except OSError as error:
        raise PlatformError(
            f"{file} could not be written: {error.strerror or error}. It is as it was.",
            "See that the folder belongs to you, can be written, and its disk is not full.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _first(path: Path, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if (path / name).is_file()), None)


def _as_id(name: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    text = re.sub(r"^[^a-z]+", "", text)[:41].rstrip("-")
    return text if len(text) > 1 else "project"


def _as_title(name: str) -> str:
    return re.sub(r"[_\-]+", " ", re.sub(r"^\d+[_\-]", "", name)).strip()[:120] or "Project"
