"""Makes the environments from the pins: run by the launcher with any Python from 3.11 on.

    python -I services/platform/bootstrap.py ROOT GROUP STAMP

GROUP is ``platform`` or ``dev`` (which is both) for ``.venv``; ``airflow`` is an environment of its
own, ``.venv-airflow``, which the platform makes when it starts. Standard library only, and nothing
of this project is imported: it does not exist yet. STAMP is written when everything is in place; a
run that was cut off leaves a mark, and the next one makes the environment anew (from uv's cache, so
quickly).
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_STAMPED = ("platform.txt", "dev.txt", "uv.txt")
_APART = {"airflow": ".venv-airflow"}
"""Groups whose pins do not go together with ours: each has an environment of its own."""
_UV_AT_LEAST = (0, 9)
_LOCK = ".bootstrap-lock"
_NEEDED_BYTES = 2 << 30
_NETWORK_WORDS = (
    "error sending request", "dns error", "failed to fetch", "connection", "connect error",
    "timed out", "network", "temporary failure in name resolution", "max retries",
)  # fmt: skip


class BootstrapError(Exception):
    """The environment could not be made; the words are for the person at the terminal."""


def environment(root: Path, group: str = "platform") -> Path:
    """Return the folder of a group's environment."""
    return root / _APART.get(group, ".venv")


def stamp(root: Path, group: str = "platform") -> str:
    """Return what the launcher computes with ``cksum``: it changes when a pin changes."""
    pins = (f"{group}.txt",) if group in _APART else _STAMPED
    files = [root / "requirements" / name for name in pins]
    # The project itself is installed into its own environment alone.
    files += [] if group in _APART else [root / "pyproject.toml"]
    files.append(root / "services" / "platform" / "bootstrap.py")
    data = b"".join(path.read_bytes() for path in files)
    return subprocess.run(
        ["cksum"], input=data, capture_output=True, check=True, timeout=10
    ).stdout.decode().strip()  # fmt: skip


def is_current(root: Path, group: str) -> bool:
    """Return whether the environment is what the pins say."""
    try:
        written = (environment(root, group) / f".stamp-{group}").read_text().strip()
        return written == stamp(root, group)
    except OSError:
        return False


def make(root: Path, group: str, wanted: str) -> None:
    """Make the environment or bring it up to date.

    Raises:
        BootstrapError: It could not be made.
    """
    venv = environment(root, group)
    try:
        venv.mkdir(exist_ok=True)
    except OSError as error:
        raise BootstrapError(f"{venv} cannot be made: {error.strerror}.") from error
    with _alone(venv):
        if _written(venv, group) == wanted and (venv / "bin" / "python").exists():
            return  # another launcher made it while this one waited
        began = time.monotonic()
        _install(root, venv, group)
        for name in _groups(venv, group):
            (venv / f".stamp-{name}").write_text(f"{wanted}\n")
        (venv / ".unfinished").unlink()
        _say(f"The environment is ready after {time.monotonic() - began:.0f} s.")


def _written(venv: Path, group: str) -> str:
    with contextlib.suppress(OSError):
        return (venv / f".stamp-{group}").read_text().strip()
    return ""


@contextlib.contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Let one launcher at a time in; the kernel forgets the lock of one that was killed.

    The steps inherit the lock: when a launcher is killed and its uv goes on, the next one waits for
    that uv. (``.lock`` would be uv's own name for the same purpose.)
    """
    with (venv / _LOCK).open("w") as file:
        fcntl.fcntl(file, fcntl.F_SETFD, 0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another mlops is making the environment; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _groups(venv: Path, group: str) -> list[str]:
    """Return what the environment holds: once the development pins are in, they stay in."""
    if group in _APART:
        return [group]
    dev = group == "dev" or (venv / ".stamp-dev").exists()
    return ["platform", "dev"] if dev else ["platform"]


def _install(root: Path, venv: Path, group: str) -> None:
    groups = _groups(venv, group)
    python = venv / "bin" / "python"
    mark = venv / ".unfinished"
    fresh = mark.exists() or not python.exists() or not _works(python)
    if fresh:
        version = ".".join(str(part) for part in sys.version_info[:3])
        _say(f"Making the environment {venv} with Python {version}.")
    mark.touch()
    if fresh:
        _empty(venv)
    for path in venv.glob(".stamp-*"):
        path.unlink()
    uv = _uv(root, venv, fresh=fresh)
    names = [f"requirements/{name}.txt" for name in groups]
    _say(f"Installing the packages of {' and '.join(names)}; the first time takes minutes.")
    _refuse_foreign(python, venv)
    target = ["--python", str(venv)]
    # The list of packages is for a person to watch; a log is better without.
    quiet = () if sys.stderr.isatty() else ("--quiet",)
    _run(root, [*uv, "pip", "sync", *target, *quiet, "--require-hashes", "--strict", *names])
    if group in _APART:
        return
    _say("Installing this project in place.")
    _run(root, [*uv, "pip", "install", *target, "--quiet", "--no-deps", "--no-build-isolation",
                "--editable", "."])  # fmt: skip


def _refuse_foreign(python: Path, venv: Path) -> None:
    """Refuse to install anywhere but into the environment itself."""
    asked = [str(python), "-I", "-c", "import sys; print(sys.prefix)"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout
    if Path(told.strip() or "/").resolve() != venv.resolve():
        raise BootstrapError(f"{venv} is no environment of its own. Delete it and start again.")


def _works(python: Path) -> bool:
    """Return whether the environment's interpreter still starts and is one we support."""
    check = "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
    try:
        return subprocess.run([python, "-I", "-c", check], timeout=60, check=False).returncode == 0
    except OSError:
        return False


def _empty(venv: Path) -> None:
    # bin goes first: an interpreter without its pyvenv.cfg would be the machine's own, and uv
    # remembers what it once found at a path.
    for path in sorted(venv.iterdir(), key=lambda path: path.name != "bin"):
        if path.name in {_LOCK, ".lock", ".unfinished"}:
            continue
        if path.is_symlink() or path.is_file():
            path.unlink()
            continue
        # A process that still runs from here may write byte code into a folder just emptied.
        for _ in range(5):
            shutil.rmtree(path, ignore_errors=True)
            if not path.exists():
                break


def _uv(root: Path, venv: Path, *, fresh: bool) -> list[str]:
    """Return uv and make the bare environment: with the machine's uv, else with a private one."""
    # The platform's own serves for the environments beside it.
    beside = environment(root) / "bin" / "uv"
    found = shutil.which("uv") or (str(beside) if venv != environment(root) else "")
    if found and _new_enough(found):
        if fresh:
            _run(root, [found, "venv", "--quiet", "--allow-existing", "--python", sys.executable,
                        str(venv)])  # fmt: skip
        return [found]
    own = venv / "bin" / "uv"
    if fresh:
        _plain_venv(root, venv)
    if not own.exists():
        _say("Installing uv, which installs the rest.")
        _run(root, [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet",
                    "--disable-pip-version-check", "--require-hashes", "-r",
                    "requirements/uv.txt"])  # fmt: skip
    return [str(own)]


def _plain_venv(root: Path, venv: Path) -> None:
    try:
        _run(root, [sys.executable, "-m", "venv", str(venv)])
    except BootstrapError as error:
        if shutil.disk_usage(venv).free < _NEEDED_BYTES:
            raise
        raise BootstrapError(
            "Python's venv module does not work here. "
            "On Debian and Ubuntu: apt install python3-venv. Then run the same command again."
        ) from error


def _new_enough(uv: str) -> bool:
    try:
        told = subprocess.run([uv, "--version"], capture_output=True, timeout=30, check=True)
        parts = told.stdout.decode().split()[1].split(".")
        return (int(parts[0]), int(parts[1])) >= _UV_AT_LEAST
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return False


def _run(root: Path, command: Sequence[str]) -> None:
    """Run a step with its own progress on the terminal; a failed one is tried once more."""
    env = os.environ | {"UV_COMPILE_BYTECODE": "1"}
    env.pop("VIRTUAL_ENV", None)
    env.pop("PYTHONPATH", None)
    if subprocess.run(command, cwd=root, env=env, check=False, close_fds=False).returncode == 0:
        return
    _say("That failed; trying once more.")
    again = subprocess.run(
        command, cwd=root, env=env, check=False, close_fds=False, stderr=subprocess.PIPE
    )
    if again.returncode != 0:
        raise BootstrapError(_why(root, again.stderr.decode("utf-8", "replace")))


def _why(root: Path, words: str) -> str:
    lowered = words.lower()
    free = shutil.disk_usage(root).free
    if "no space left" in lowered or "disk quota" in lowered or free < _NEEDED_BYTES // 4:
        said = f"The disk is full ({free / 1e9:.1f} GB left; the environment needs 2 GB)."
        mend = "Free some space and run the same command again."
    elif any(word in lowered for word in _NETWORK_WORDS):
        said = "The packages could not be fetched: no network, or the package index is away."
        mend = "Run the same command again when it is back; what was fetched is kept."
    else:
        said, mend = "The packages could not be installed.", "Run the same command again."
    return f"{words.strip()[-2000:]}\n\n{said} {mend}"


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def main() -> int:
    """Make the environment as the launcher asks."""
    root, group, wanted = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    try:
        make(root, group, wanted)
    except BootstrapError as error:
        _say(str(error))
        return 1
    except OSError as error:
        _say(f"The environment could not be made: {error}.")
        return 1
    except KeyboardInterrupt:
        _say("Stopped; the next run makes the environment anew.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
