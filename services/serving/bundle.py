"""A version as it is served: its files, what they take and answer, and who vouches for them.

``MLOPS_HOME/serving/bundles/PROJECT/MODEL/VERSION`` holds ``model/`` (the files as registered),
``serving.json``, ``manifest.json`` (size and hash of every file), ``signature.json``. A bundle is
there whole or not at all, read-only, and nothing of it is parsed before its signature was verified.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from services.errors import BundleError
from services.home import Home
from services.projects.contract import Contract
from services.serving import bundle_safety, disk, interface, paths, signing
from services.serving.models import BundleInfo
from services.workflows import packaging
from services.workflows.packaging import Package

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow

FORMAT = 1
MODEL, INFO, MANIFEST, SIGNATURE = "model", "serving.json", "manifest.json", "signature.json"
_LONGEST = 16 << 20
"""Of the manifest and of ``serving.json``."""
_REMOVED = "-removed"
_LOOKS, _EXCHANGE_S = 50, 0.02
_KEPT = ("project", "model", "version", "run_id", "git_commit", "data_revision", "source",
         "registered_ms")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bundle:
    """One bundle whose signature and hashes were right when it was opened."""

    folder: Path
    manifest: Mapping[str, Any]
    info: BundleInfo
    digest: str
    """SHA-256 of its manifest: equal bundles have equal ones."""

    @property
    def model(self) -> Path:
        """Where the model's files are."""
        return self.folder / MODEL

    @property
    def name(self) -> str:
        """Return model and version as people say it."""
        return f"{self.info.model} version {self.info.version}"

    @property
    def size_bytes(self) -> int:
        """Return the size of all files."""
        return sum(int(file["bytes"]) for file in self.manifest["files"])


def build(
    mlflow: "MLflow",
    home: Home,
    project_folder: Path,
    contract: Contract,
    project: str,
    model: str,
    version: int,
) -> Bundle:
    """Return the bundle of a registered version, made unless it is there and whole.

    Raises:
        NotFoundError: There is no such version, or it has no files.
        EngineError: MLflow did not answer, or broke off.
        BundleError: The version is refused: nothing of it was loaded, and no bundle was made.
        PlatformError: It cannot be written; what was there before stays.
    """
    with disk.locked(paths.bundle(home, project, model, version)):
        package = packaging.pack(mlflow, home, project, model, version)
        return _current(package, home, project_folder, contract)


def of_package(package: Package, home: Home, project_folder: Path, contract: Contract) -> Bundle:
    """Return the bundle of a package, made unless it is there and whole.

    Raises:
        BundleError: The package is refused: nothing of it was loaded, and no bundle was made.
        PlatformError: It cannot be written; what was there before stays.
    """
    with disk.locked(_target(package, home)):
        return _current(package, home, project_folder, contract)


def open(  # noqa: A001 - bundle.open, as gzip.open
    home: Home, project: str, model: str, version: int
) -> Bundle:
    """Return a version's bundle: its signature verified first, then every hash, then parsed.

    Raises:
        BundleError: There is none, or something about it is not as it was signed.
    """
    folder = paths.bundle(home, project, model, version)
    for _ in range(_LOOKS):
        before = _mark(folder)
        try:
            return _opened(home, folder, project, model, version)
        except BundleError:
            exchanging = before is None and any(_left(folder, "old"))
            if not exchanging and _mark(folder) == before:
                raise
        time.sleep(_EXCHANGE_S)  # somebody is exchanging it, which takes two renames
    return _opened(home, folder, project, model, version)


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle that lies on this disk; nothing of it was verified but its place."""

    project: str
    model: str
    version: int
    used_at: float
    """When it was made, asked for or needed last, in seconds since 1970."""

    @property
    def key(self) -> tuple[str, int]:
        """Return its endpoint's name and its version."""
        return f"{self.project}.{self.model}", self.version


def kept(home: Home) -> tuple[Kept, ...]:
    """Return the bundles on this disk; what says to be another one than its place is left out."""
    found = []
    for folder in sorted((home.serving / "bundles").glob("*/*/*")):
        if not folder.name.isdecimal():
            continue
        with contextlib.suppress(BundleError, OSError, ValueError, KeyError, TypeError):
            said = orjson.loads(_read(folder / MANIFEST, str(folder)))
            named = str(said["project"]), str(said["model"]), int(said["version"])
            if paths.bundle(home, *named) == folder:
                found.append(Kept(*named, folder.stat().st_mtime))
    return tuple(found)


def use(home: Home, project: str, model: str, version: int) -> None:
    """Note that a bundle is needed now."""
    with contextlib.suppress(OSError):  # it went, or the disk is read-only: it is not removed then
        os.utime(paths.bundle(home, project, model, version))


def remove(
    home: Home, one: Kept, *, unused_since: float, first: Callable[[], object] = lambda: None
) -> bool:
    """Delete a bundle; return whether it was there, and not used since it was looked at.

    Args:
        home: Whose.
        one: Which.
        unused_since: The latest moment (s since 1970) at which it may have been used.
        first: What is done before it goes, while nobody can begin to use it.

    Raises:
        BundleError: It cannot be deleted.
    """
    folder = paths.bundle(home, one.project, one.model, one.version)
    if not folder.is_dir():
        return False
    with disk.locked(folder), disk.told(f"The bundle {folder}"):
        if folder.stat().st_mtime > unused_since:
            return False
        first()
        going = folder.with_name(f".old-{folder.name}{_REMOVED}")
        disk.delete(going)
        folder.rename(going)  # it is there whole or not at all, also when this is killed
        disk.delete(going)
    return True


def sweep(home: Home) -> None:
    """Delete what removals that were killed left; what cannot be deleted now, the next time."""
    for left in (home.serving / "bundles").glob(f"*/*/.old-*{_REMOVED}"):
        with contextlib.suppress(OSError):
            disk.delete(left)


# Reading


def _mark(folder: Path) -> tuple[int, int] | None:
    """Return which folder it is, None when there is none: another one after an exchange."""
    try:
        seen = folder.lstat()
    except OSError:
        return None
    return seen.st_ino, seen.st_ctime_ns


def _left(target: Path, kind: str) -> Iterator[Path]:
    """Yield what a build has beside its target: new ones, old ones."""
    return target.parent.glob(f".{kind}-{target.name}-*")


def _opened(home: Home, folder: Path, project: str, model: str, version: int) -> Bundle:
    name = f"{model} version {version} of {project}"
    if not folder.is_dir() or folder.is_symlink():
        raise BundleError(
            f"{name} has no bundle in {folder}.", "Deploy it: that fetches, checks and signs it."
        )
    content = _read(folder / MANIFEST, name)
    signing.verify(home, content, _read(folder / SIGNATURE, name))
    manifest = _parsed(content, name)
    if tuple(manifest.get(one) for one in ("project", "model", "version")) != (
        project,
        model,
        version,
    ):
        raise BundleError(
            f"The bundle of {name} is that of another version, put into its place.",
            "Nothing of it was loaded. Deploy the version again to build its own.",
        )
    _check_hashes(folder, manifest, name)
    info = _info(_read(folder / INFO, name), name)
    return Bundle(folder, manifest, info, hashlib.sha256(content).hexdigest())


def _parsed(content: bytes, name: str) -> dict[str, Any]:
    try:
        manifest = orjson.loads(content)
        if manifest["v"] != FORMAT:
            raise BundleError(
                f"The bundle of {name} is of another version of this platform.",
                "Deploy the version again to build it anew.",
            )
        told = [(str(f["path"]), int(f["bytes"]), str(f["sha256"])) for f in manifest["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"The manifest of {name} cannot be read.", disk.ANEW) from error
    if len({path for path, _, _ in told}) != len(told):
        raise BundleError(f"The manifest of {name} names a file twice.", disk.ANEW)
    return dict(manifest)


def _check_hashes(folder: Path, manifest: Mapping[str, Any], name: str) -> None:
    told = {bundle_safety.check_path(str(file["path"])): file for file in manifest["files"]}
    there = {one.path: one.bytes for one in bundle_safety.files(folder)}
    strange = there.keys() - told.keys() - {MANIFEST, SIGNATURE}
    if strange:
        raise BundleError(
            f"{min(strange)} lies in the bundle of {name} and is not in its manifest.", disk.ANEW
        )
    for path, file in told.items():
        if there.get(path) != file["bytes"]:
            state = "has another size than it had" if path in there else "is missing"
            raise BundleError(f"{path} in the bundle of {name} {state}.", disk.ANEW)
        with disk.told(f"{path} in the bundle of {name}"), disk.plain(folder / path) as handle:
            digest = hashlib.file_digest(os.fdopen(handle, "rb", closefd=False), "sha256")
        if digest.hexdigest() != file["sha256"]:
            raise BundleError(
                f"{path} in the bundle of {name} is not the file that was signed: its hash is "
                "another.",
                disk.ANEW,
            )


def _info(content: bytes, name: str) -> BundleInfo:
    try:
        return BundleInfo.from_json(orjson.loads(content))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{INFO} of {name} cannot be read.", disk.ANEW) from error


def _read(file: Path, name: str) -> bytes:
    with disk.told(f"{file.name} of {name}"), disk.plain(file) as handle:
        size = os.fstat(handle).st_size
        if size > _LONGEST:
            raise BundleError(f"{file.name} of {name} is too long.", disk.ANEW)
        with os.fdopen(handle, "rb", closefd=False) as content:
            return content.read(_LONGEST)


# Building


def _target(package: Package, home: Home) -> Path:
    said = package.manifest
    return paths.bundle(home, str(said["project"]), str(said["model"]), int(said["version"]))


def _current(package: Package, home: Home, project_folder: Path, contract: Contract) -> Bundle:
    """Return the bundle that is there when it is the one that would be made, else make it."""
    target, said = _target(package, home), package.manifest
    named = (str(said["project"]), str(said["model"]), int(said["version"]))
    _sweep(target)
    with contextlib.suppress(BundleError):
        there = _opened(home, target, *named)
        kept = {name: said[name] for name in _KEPT} | {"package": said["digest"]}
        same = all(there.manifest.get(name) == value for name, value in kept.items())
        if same and there.info == interface.info(said, there.model, contract, project_folder):
            use(home, *named)
            return there
    with disk.told(f"The bundle of {package.name}"):
        _make(package, home, project_folder, contract)
    return _opened(home, target, *named)


def _make(package: Package, home: Home, project_folder: Path, contract: Contract) -> None:
    target = _target(package, home)
    packaging.check_room(target.parent, package.size_bytes)
    new = Path(tempfile.mkdtemp(prefix=f".new-{target.name}-", dir=target.parent))
    try:
        files = _copied(package, new / MODEL)
        bundle_safety.check_files(new / MODEL)
        info = interface.info(package.manifest, new / MODEL, contract, project_folder)
        files.append(disk.put(new, INFO, orjson.dumps(info.as_json(), option=orjson.OPT_INDENT_2)))
        told = {name: package.manifest[name] for name in _KEPT}
        manifest = {"v": FORMAT, **told, "package": package.manifest["digest"], "files": files}
        content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        disk.put(new, MANIFEST, content)
        disk.put(new, SIGNATURE, signing.sign(home, content))
        disk.seal(new)
        _swap(new, target)
    finally:
        disk.delete(new)


def _copied(package: Package, folder: Path) -> list[dict[str, Any]]:
    """Copy a package's files; return what the manifest says of them.

    Raises:
        BundleError: They are not what the package's own manifest says.
    """
    told = {str(file["path"]): str(file["sha256"]) for file in package.manifest["files"]}
    there = {one.path for one in bundle_safety.files(package.files)}
    differing = sorted(there ^ told.keys())
    files = []
    folder.mkdir()
    for path in [] if differing else sorted(there):
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        said = disk.copy(package.files / path, copy)
        files.append({"path": f"{MODEL}/{path}", **said})
        if said["sha256"] != told[path]:
            differing.append(path)
    if differing:
        raise BundleError(
            f"The package of {package.name} is damaged: {differing[0]} is not as it was fetched.",
            f"Delete {package.folder} and deploy again: its files are fetched anew.",
        )
    return files


def _swap(new: Path, target: Path) -> None:
    old = target.with_name(f".old-{target.name}-{new.name[-8:]}")
    if target.exists() or target.is_symlink():
        target.rename(old)
    new.rename(target)
    disk.sync(target.parent)
    disk.delete(old)


def _sweep(target: Path) -> None:
    """Delete what a build that was killed left; whoever builds holds the lock."""
    for left in [*_left(target, "new"), *_left(target, "old")]:
        disk.delete(left)
