"""A registered version's files as a package: ``MLOPS_HOME/packages/PROJECT/MODEL/VERSION``.

``model/`` holds the files as they were registered, ``manifest.json`` what they are: sizes, hashes,
format, and the run, code and data they come from. A package is there whole or not at all.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from services.errors import EngineProtocolError, EngineRefusedError, NotFoundError, PlatformError
from services.home import Home

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow
    from services.engines.mlflow.models import Version

FORMAT = 1
MANIFEST, FILES = "manifest.json", "model"
_RESERVE_BYTES = 256 << 20
"""What a package leaves free on the disk."""
_BY_SUFFIX = {".safetensors": "safetensors", ".npz": "mlx", ".gguf": "gguf", ".onnx": "onnx",
              ".skops": "sklearn", ".pkl": "pickle", ".ubj": "booster"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    """One package."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def files(self) -> Path:
        """Where the model's files are."""
        return self.folder / FILES

    @property
    def name(self) -> str:
        """Return model and version as people say it."""
        return f"{self.manifest['model']} version {self.manifest['version']}"

    @property
    def size_bytes(self) -> int:
        """Return the size of all files."""
        return sum(int(file["bytes"]) for file in self.manifest["files"])


def folder_of(home: Home, project: str, model: str, version: int) -> Path:
    """Return where the package of a version is."""
    name = quote(model, safe=" +@")
    name = name if name.strip(".") else name.replace(".", "%2E")
    return home.root / "packages" / project / name / str(version)


def read(folder: Path) -> Package | None:
    """Return the package in a folder, None when there is none that can be read."""
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    known = isinstance(manifest, dict) and manifest.get("v") == FORMAT and "files" in manifest
    return Package(folder, manifest) if known else None


def faults(package: Package) -> tuple[str, ...]:
    """Return what is not as the manifest says, a sentence each: by size and hash of every file."""
    told = {str(file["path"]): file for file in package.manifest["files"]}
    there = {str(path.relative_to(package.files)) for path in _files(package.files)}
    found = [f"{name} is not there." for name in sorted(told.keys() - there)]
    found += [f"{name} is not in the manifest." for name in sorted(there - told.keys())]
    for name in sorted(there & told.keys()):
        if _hashed(package.files / name) != (told[name]["bytes"], told[name]["sha256"]):
            found.append(f"{name} is not the file that was packaged: its hash is another.")
    return tuple(found)


def pack(mlflow: "MLflow", home: Home, project: str, model: str, version: int) -> Package:
    """Return the package of a version, made unless it is there and whole.

    Raises:
        NotFoundError: There is no such version, or it has no files.
        EngineError: MLflow did not answer, or broke off.
        PlatformError: It cannot be written; what was there before stays.
    """
    known = _version(mlflow, project, model, version)
    target = folder_of(home, project, model, version)
    there = read(target)
    if there is not None and _same(there, known) and not faults(there):
        os.utime(target)
        return there
    source = Source(mlflow, project, mlflow.version_folder(project, model, version))
    listing = dict(sorted(source.listing()))
    if not listing:
        raise NotFoundError(
            f"{model} version {version} has no files on the shared MLflow.",
            "They were deleted, or are still on their way: `python -m mlops_client flush` in the "
            "project's folder sends what waits.",
        )
    try:
        return _made(source, target, known, listing)
    except OSError as error:
        raise PlatformError(
            f"The package of {model} version {version} could not be written: "
            f"{error.strerror or error}.",
            f"Free some space below {home.root} and clear this task.",
        ) from error


def kept(home: Home) -> Iterator[tuple[Package, float]]:
    """Yield each package and when it was used last, in seconds since 1970."""
    for manifest in (home.root / "packages").glob(f"*/*/[0-9]*/{MANIFEST}"):
        package = read(manifest.parent)
        if package is not None:
            yield package, manifest.parent.stat().st_mtime


def remove(package: Package) -> None:
    """Delete a package; whoever wants it again has it made anew from MLflow.

    Raises:
        OSError: It cannot be deleted.
    """
    with tempfile.TemporaryDirectory(prefix=".old-", dir=package.folder.parent) as scratch:
        package.folder.rename(Path(scratch) / "package")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a version's files come from."""

    mlflow: "MLflow"
    project: str
    root: str

    def listing(self) -> Iterator[tuple[str, int | None]]:
        """Yield every file: its path below the root, its size in bytes."""
        folders = [self.root]
        while folders:
            for entry in self.mlflow.stored(self.project, folders.pop()):
                if entry.is_folder:
                    folders.append(entry.path)
                else:
                    yield entry.path.removeprefix(f"{self.root}/"), entry.size_bytes

    def place(self, name: str, folder: Path) -> Path:
        """Return where a file goes below a folder; the folders above it are made.

        Raises:
            EngineProtocolError: Its name leaves the folder.
        """
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\0" in name:
            raise EngineProtocolError(f"MLflow lists the file {name!r}, which leaves its folder.")
        file = folder.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def content(self, name: str) -> Iterator[bytes]:
        """Yield a file piece by piece."""
        return self.mlflow.content(self.project, f"{self.root}/{name}")

    def fetch(self, name: str, folder: Path, size: int | None) -> dict[str, Any]:
        """Write a file and return what the manifest says of it."""
        file = self.place(name, folder)
        digest, count = hashlib.sha256(), 0
        with file.open("wb") as out:
            for piece in self.content(name):
                out.write(piece)
                digest.update(piece)
                count += len(piece)
        if size is not None and count != size:
            raise EngineProtocolError(
                f"MLflow sent {count} of the {size} bytes of {name}.",
                "Clear this task to fetch it again.",
            )
        return {"path": name, "bytes": count, "sha256": digest.hexdigest()}


def _version(mlflow: "MLflow", project: str, model: str, version: int) -> "Version":
    try:
        return mlflow.version_of(project, model, version)
    except EngineRefusedError as error:
        if error.status != 404:
            raise
        raise NotFoundError(
            f"{project} has no {model[:100]} version {version}.", "`mlops models list` names them."
        ) from error


def _same(package: Package, version: "Version") -> bool:
    manifest = package.manifest
    known = (version.run_id, version.source, version.created_ms)
    return known == tuple(manifest.get(name) for name in ("run_id", "source", "registered_ms"))


def _made(
    source: Source, target: Path, version: "Version", listing: Mapping[str, int | None]
) -> Package:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_room(target.parent, sum(size or 0 for size in listing.values()))
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as scratch:
        new = Path(scratch) / "package"
        files = [source.fetch(name, new / FILES, size) for name, size in listing.items()]
        package = Package(target, _manifest(source, version, files))
        text = orjson.dumps(package.manifest, option=orjson.OPT_INDENT_2)
        (new / MANIFEST).write_bytes(text)
        if target.exists():  # damaged, or of a version that was there before
            target.rename(Path(scratch) / "before")
        new.rename(target)
    return package


def check_room(folder: Path, wanted: int) -> None:
    """Check that so many bytes fit on a folder's disk, and leave some.

    Raises:
        PlatformError: They do not.
    """
    free = shutil.disk_usage(folder).free
    if wanted + _RESERVE_BYTES > free:
        raise PlatformError(
            f"The package takes {wanted / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free.",
            f"Free some space on the disk of {folder}.",
        )


def _manifest(
    source: Source, version: "Version", files: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    tags = dict(version.tags)
    if version.run_id and not {"mlops.git.commit", "mlops.data.revision"} <= tags.keys():
        tags = dict(_tags_of_run(source, version.run_id)) | tags
    return {
        "v": FORMAT,
        "project": source.project,
        "model": version.model,
        "version": version.version,
        "format": tags.get("mlops.format") or _format(files),
        "run_id": version.run_id,
        "git_commit": tags.get("mlops.git.commit"),
        "data_revision": tags.get("mlops.data.revision"),
        "source": version.source,
        "registered_ms": version.created_ms,
        "digest": _digest(files),
        "files": list(files),
    }


def _tags_of_run(source: Source, run_id: str) -> Mapping[str, str]:
    try:
        return source.mlflow.run(source.project, run_id).tags
    except EngineRefusedError:  # the run is gone; its version is not
        return {}


def _format(files: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the format by the names of the files, None when they do not tell."""
    found = [_BY_SUFFIX.get(PurePosixPath(str(file["path"])).suffix) for file in files]
    return next((name for name in found if name), None)


def _digest(files: Sequence[Mapping[str, Any]]) -> str:
    """Return one hash over names and contents: equal packages have equal ones."""
    lines = sorted(f"{file['sha256']}  {file['path']}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _hashed(file: Path) -> tuple[int, str] | None:
    """Return size and hash of a file, None when it is none or cannot be read."""
    if file.is_symlink():
        return None
    try:
        with file.open("rb") as content:
            return file.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None
