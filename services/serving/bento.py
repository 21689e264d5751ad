"""A bundle as a bento: the same version for ``bentoml serve``, without the rest of the platform.

The bento holds the bundle, the project's code and our model server. The store is BentoML's own, in
``paths.bentos(home)``: ``BENTOML_HOME=… bentoml list`` shows what is in it.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from services.errors import PlatformError
from services.home import Home, toolkit_root
from services.serving import bundle_safety, disk, paths, signing
from services.serving.bundle import Bundle

TIMEOUT_S = 300.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME")
_LONGEST_NAME = 63
_LARGEST_FILE = 8 << 20
"""Of a project's code."""
_LABEL = "mlops.contents"
_BUNDLE = "bundle/"
_SCRATCH = ".bento-"
_PYTHON = sys.executable
_TEMPLATE = Path(__file__).with_name("bento_service.tmpl")


def tag_of(bundle: Bundle) -> str:
    """Return the name under which BentoML knows a bundle."""
    return tag_for(bundle.info.project, bundle.info.model, bundle.info.version)


def tag_for(project: str, model: str, version: int) -> str:
    """Return the name under which BentoML knows a version."""
    plain = f"{project}.{model}"
    name = re.sub(r"[^a-z0-9._-]", "-", plain.lower()).strip("._-")
    if name != plain or len(name) > _LONGEST_NAME:
        mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
        name = f"{name[: _LONGEST_NAME - 9].strip('._-')}-{mark}"
    return f"{name}:{version}"


def command(home: Home, tag: str, port: int = 3000) -> str:
    """Return what a person types to serve a bento."""
    store = shlex.quote(str(paths.bentos(home)))
    return f"BENTOML_HOME={store} bentoml serve {tag} --port {port}"


def build(home: Home, bundle: Bundle, project_folder: Path, python: Path | None = None) -> str:
    """Return the tag of a bundle's bento, built unless it is in the store.

    Args:
        home: Whose store.
        bundle: What it is to serve.
        project_folder: Where the code is that rebuilds the model.
        python: The project's own, whose version a container of the bento gets; BentoML itself runs
            in this environment, because no project has it.

    Raises:
        PlatformError: BentoML could not build it; the message ends with what it said.
    """
    tag = tag_of(bundle)
    place = _place(home, tag)
    sources = dict(_sources(home, bundle, project_folder))
    with disk.locked(place), disk.told(f"The bento {tag}"):
        contents = _contents(bundle, sources)
        if _there(place) == contents:
            return tag
        disk.delete(place)
        _made(home, bundle, project_folder, sources, contents, _version(python))
    if _there(place) != contents:
        raise PlatformError(
            f"BentoML built {tag}, and it is not in {place}.",
            "Another BentoML than the pinned one may be installed: see `mlops doctor`.",
        )
    return tag


def remove(home: Home, tag: str) -> bool:
    """Delete a bento; return whether there was one.

    Raises:
        PlatformError: It cannot be deleted.
    """
    place = _place(home, tag)
    if not place.is_dir():
        return False
    with disk.locked(place), disk.told(f"The bento {tag}"):
        disk.delete(place)
        latest = place.parent / "latest"
        if latest.is_file() and latest.read_text(encoding="utf-8").strip() == place.name:
            latest.unlink()  # BentoML finds the newest of the others by itself
    return True


def served() -> str:
    """Return what BentoML's processes on this machine were started with, a line each."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "bentoml" in line:
            found.append(line)
    return "\n".join(found)


def _place(home: Home, tag: str) -> Path:
    name, _, version = tag.partition(":")
    return paths.bentos(home) / "bentos" / name / version


def _there(place: Path) -> str | None:
    """Return the mark of what a bento in the store was made of, None when there is none."""
    try:
        said = yaml.safe_load((place / "bento.yaml").read_text(encoding="utf-8"))
        return str(said["labels"][_LABEL])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


# What is in it


def _sources(home: Home, bundle: Bundle, project_folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file of a bento: its path in there, where it is now."""
    signing.public_key(home)
    yield "service.py", _TEMPLATE
    yield "signing.pub", home.secrets / signing.PUBLIC
    for one in bundle_safety.files(bundle.folder):
        yield f"{_BUNDLE}{one.path}", bundle.folder / one.path
    for name, file in _client():
        yield f"client/{name}", file
    for name, file in _code(project_folder):
        yield f"project/{name}", file


def _client() -> Iterator[tuple[str, Path]]:
    source = toolkit_root() / "client" / "src"
    for file in sorted(source.glob("mlops_client/**/*.py")):
        yield str(file.relative_to(source)), file


def _code(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the modules and packages of a project, never its data, models or secrets."""
    for top in sorted(folder.iterdir()):
        if top.is_symlink():
            continue
        if top.suffix == ".py" and top.is_file():
            yield top.name, top
        elif top.is_dir() and (top / "__init__.py").is_file():
            yield from _package(folder, top)


def _package(folder: Path, top: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(top.rglob("*")):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        plain = file.is_file() and not file.is_symlink()
        if plain and not hidden and file.stat().st_size <= _LARGEST_FILE:
            yield "/".join(parts), file


def _contents(bundle: Bundle, sources: Mapping[str, Path]) -> str:
    """Return one mark over all files: another file makes another bento."""
    digest = hashlib.sha256(bundle.digest.encode())
    for name, file in sources.items():
        if not name.startswith(_BUNDLE):
            found = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{name} {found}\n".encode())
    return digest.hexdigest()[:32]


def _made(
    home: Home,
    bundle: Bundle,
    project_folder: Path,
    sources: Mapping[str, Path],
    contents: str,
    version: str,
) -> None:
    store = paths.bentos(home)
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Beside the store, not in it: BentoML would pack the store into the bento.
    _sweep(home)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=home.serving) as scratch:
        context = Path(scratch)
        for name, file in sources.items():
            _put(file, context / name)
        said = _described(bundle, project_folder, contents)
        if version:
            said["docker"] = {"python_version": version}
        described = yaml.safe_dump(said)
        (context / "bentofile.yaml").write_text(described, encoding="utf-8")
        _run(home, context, tag_of(bundle))


def _sweep(home: Home) -> None:
    """Delete what builds that were killed left; others may be building now."""
    for left in home.serving.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 2 * TIMEOUT_S:
                shutil.rmtree(left)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another disk
        shutil.copyfile(source, target, follow_symlinks=False)


def _described(bundle: Bundle, project_folder: Path, contents: str) -> dict[str, Any]:
    """Return what BentoML is told: a ``bentofile.yaml``."""
    info = bundle.info
    labels = {
        _LABEL: contents,
        "mlops.project": info.project,
        "mlops.model": info.model,
        "mlops.version": str(info.version),
        "mlops.interface": info.interface,
        "mlops.run": info.run_id,
        "mlops.data": info.data_revision,
        "mlops.git": info.git_commit,
        "mlops.backend": info.preferred_backend,
    }
    title = f"{info.title}. " if info.title else ""
    columns = ", ".join(f"{one.name} ({one.datatype})" for one in info.inputs)
    return {
        "service": "service:Model",
        "name": tag_of(bundle).partition(":")[0],
        "description": f"{title}{bundle.name} of {info.project}: {info.interface}. POST /predict "
        f"with rows or columns of {columns}.",
        "labels": {name: value for name, value in labels.items() if value},
        "include": ["service.py", "signing.pub", "bundle/**", "client/**", "project/**"],
        "python": {"packages": _packages(project_folder), "lock_packages": False},
    }


def _version(python: Path | None) -> str:
    """Return the version of an environment's Python, such as 3.11; empty when it does not tell."""
    if python is None:
        return ""
    try:
        said = (python.parent.parent / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", said, re.MULTILINE)
    return found[1] if found else ""


def _packages(project_folder: Path) -> list[str]:
    """Return what the project depends on: what a container of the bento installs."""
    try:
        said = tomllib.loads((project_folder / "pyproject.toml").read_text(encoding="utf-8"))
        found = [str(one) for one in said["project"]["dependencies"]]
    except (OSError, ValueError, KeyError, TypeError):
        found = []
    return [*found, "psutil>=6", "cryptography>=45"]


# BentoML's own process


def _run(home: Home, context: Path, tag: str) -> None:
    version = tag.partition(":")[2]
    # Named, because BentoML looks for no file below a hidden folder such as `.mlops` by itself.
    arguments = [_PYTHON, "-m", "bentoml", "build", "--bentofile", "bentofile.yaml"]
    arguments += ["--version", version, "--output", "tag", "."]
    try:
        done = subprocess.run(
            arguments,
            cwd=context,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PlatformError(f"BentoML did not build {tag} within {TIMEOUT_S:.0f} s.") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-800:]
        raise PlatformError(
            f"BentoML could not build {tag}: it ended with {done.returncode}. {said}",
            "Nothing was deployed. Mend what it says and deploy the version again.",
        )


def environment(home: Home) -> Mapping[str, str]:
    """Return the environment of BentoML's own commands: our store, none of our secrets."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "BENTOML_HOME": str(paths.bentos(home)),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
