"""What DVC writes: ``.dvc`` files, and the list of files of a folder."""

import json
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.engines.dvc.models import Entry, Out
from services.engines.http import unreadable
from services.errors import EngineProtocolError

_KIND = "mlops.kind"
# A hash is the name of a file in the cache: nothing else may be one.
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_HashOfAny = Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]


class _WireOut(BaseModel):
    model_config = ConfigDict(extra="ignore")

    md5: _HashOfAny
    path: str
    size: int = 0
    nfiles: int = 1


class _WireFile(BaseModel):
    model_config = ConfigDict(extra="ignore")

    outs: tuple[_WireOut, ...]
    meta: dict[str, object] = {}


class _WireEntry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    md5: _Hash
    relpath: str


_ENTRIES = TypeAdapter(list[_WireEntry])


def dvc_file(out: Out, kind: str) -> str:
    """Return the text of the ``.dvc`` file of a path, as ``dvc add`` would write it."""
    name = PurePosixPath(out.path).name
    lines = ["meta:", f"  {_KIND}: {kind}", "outs:", f"- md5: {out.md5}", f"  size: {out.size}"]
    if out.is_folder:
        lines.append(f"  nfiles: {out.files}")
    # A JSON string is a YAML string, whatever the name holds.
    return "\n".join([*lines, "  hash: md5", f"  path: {json.dumps(name)}", ""])


def read_dvc_file(file: str, content: bytes) -> tuple[str, Out]:
    """Return (kind, path) of a ``.dvc`` file; ``file`` is its own path in the repository.

    Raises:
        EngineProtocolError: It is no ``.dvc`` file of ours.
    """
    import yaml

    try:
        read = _WireFile.model_validate(yaml.safe_load(content))
        (out,) = read.outs
    except (ValidationError, yaml.YAMLError, ValueError) as error:
        raise unreadable("DVC", file, error) from error
    path = inside(str(PurePosixPath(file).parent / out.path))
    return str(read.meta.get(_KIND, "data")), Out(path, out.md5, out.size, out.nfiles)


def read_list(out: Out, content: bytes) -> tuple[Entry, ...]:
    """Return the files a folder's list names, their paths below the project's folder.

    Raises:
        EngineProtocolError: It is no list of files, or names one outside the folder.
    """
    try:
        entries = _ENTRIES.validate_json(content)
    except ValidationError as error:
        raise unreadable("DVC", f"the list of {out.path}", error) from error
    return tuple(Entry(f"{out.path}/{inside(entry.relpath)}", entry.md5) for entry in entries)


def inside(path: str) -> str:
    """Return a path that stays where it begins.

    Raises:
        EngineProtocolError: It is absolute, empty or goes up: a damaged or hostile list.
    """
    parts = path.split("/")
    if not all(part not in {"", ".", ".."} and "\0" not in part for part in parts):
        raise EngineProtocolError(
            f"A version names the file {path[:200]!r}, which leaves the project's folder.",
            "It is damaged or was not written by this platform; take another version.",
        )
    return path
