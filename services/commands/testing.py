"""``mlops test`` and ``mlops check``: what a developer, and CI, run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from services.commands.output import sentences
from services.errors import PlatformError
from services.home import toolkit_root

_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/usr/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

_POSTGRES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
_FAST_MARKS = "not engine and not browser and not slow and not full"
_FAST = ("-m", _FAST_MARKS, "--without-longer", "--hypothesis-profile=fast")
_WORKERS_AT_MOST = 8
_ONCE_MORE = ("--reruns", "1", "-rfER")
_NOTHING_CHOSEN = 5
"""Pytest's exit code when no test was chosen: of one turn alone that is no fault."""

_STEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "format": (("ruff", "format", "."), ("ruff", "check", "--fix", ".")),
    "lint": (("ruff", "format", "--check", "."), ("ruff", "check", ".")),
    "types": (("mypy",),),
}


def browser() -> str | None:
    """Return the Chromium for the browser tests (``MLOPS_CHROMIUM`` overrides it)."""
    wished = os.environ.get("MLOPS_CHROMIUM")
    found = (shutil.which(name) for name in ([wished] if wished else _BROWSERS))
    return next((path for path in found if path), None)


def postgres_programs() -> Path | None:
    """Return where initdb and postgres are: of the newest version, else of PATH.

    ``MLOPS_POSTGRES_BIN`` overrides it.
    """
    wished = os.environ.get("MLOPS_POSTGRES_BIN")
    patterns = [wished] if wished else _POSTGRES
    found = [path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))]
    found = [path for path in found if (path / "initdb").exists() and (path / "postgres").exists()]
    if found:
        return max(found, key=lambda path: int("".join(filter(str.isdigit, str(path))) or 0))
    by_path = None if wished else shutil.which("initdb")
    return Path(by_path).resolve().parent if by_path else None


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.option("--fast", is_flag=True, help="Without engines, browser and slow tests.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@sentences
def test(*, fast: bool, pytest_args: tuple[str, ...]) -> None:
    """Run the tests; what follows goes to pytest.

    Nothing is skipped for want of something: without Chromium or Postgres this fails.
    """
    chromium = browser()
    if not fast and chromium is None:
        raise PlatformError(
            "The browser tests need Chromium, and there is none.",
            "Debian: apt install chromium. macOS: brew install --cask chromium. "
            "Or name one in MLOPS_CHROMIUM, or leave those tests out: ./mlops test --fast",
        )
    if not fast and postgres_programs() is None:
        raise PlatformError(
            "The tests need Postgres (they start a server of their own), and there is none.",
            "Debian: apt install postgresql. macOS: brew install postgresql@17. "
            "Or name its bin folder in MLOPS_POSTGRES_BIN, or leave those tests out: "
            "./mlops test --fast",
        )
    root = toolkit_root()
    environment = os.environ | ({"MLOPS_CHROMIUM": chromium} if chromium else {})
    # Otherwise each of the hundreds of processes that tests start compiles this project anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = _from(root, pytest_args)
    turns = (fast_selection(*pytest_args),) if fast else _turns(*pytest_args)
    os.chdir(root)
    sys.stdout.flush()
    commands = [[sys.executable, "-m", "pytest", *turn, *arguments] for turn in turns]
    if len(commands) == 1:
        os.execve(sys.executable, commands[0], environment)  # noqa: S606 - our own interpreter
    codes = [subprocess.run(one, env=environment, check=False).returncode for one in commands]
    bad = [code for code in codes if code not in (0, _NOTHING_CHOSEN)]
    if bad or all(codes):
        sys.exit(bad[0] if bad else _NOTHING_CHOSEN)


def _turns(*pytest_args: str) -> tuple[tuple[str, ...], ...]:
    """Return how pytest runs all tests; chosen ones run in one process.

    First the fast ones on all cores, then the others, two files at a time: mostly they wait for
    engines. ``tests/conftest.py`` keeps those with an Airflow in one process. On a busy machine a
    browser or an engine is late now and then: what fails is tried once more, and named as rerun.
    """
    if not all(argument.startswith("-") for argument in pytest_args):
        return ((),)
    two = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", *_ONCE_MORE)
    return (("-m", _FAST_MARKS, *_on_all_cores()), ("-m", f"not ({_FAST_MARKS})", *two))


def fast_selection(*pytest_args: str) -> tuple[str, ...]:
    """Return what makes pytest run the fast tests: all of them on all cores, chosen ones on one."""
    if not all(argument.startswith("-") for argument in pytest_args):
        return _FAST  # a file or two are done before a second process has started
    return (*_FAST, *_on_all_cores())


def _on_all_cores() -> tuple[str, ...]:
    """Return what has each core take some of the tests that share nothing."""
    workers = min(os.cpu_count() or 1, _WORKERS_AT_MOST)
    return ("-n", str(workers), "--dist", "worksteal")


def _from(root: Path, arguments: tuple[str, ...]) -> list[str]:
    """Return pytest's arguments as seen from the root, where it runs."""
    here = Path.cwd()
    if here == root:
        return list(arguments)
    return [_absolute(here, argument) for argument in arguments]


def _absolute(here: Path, argument: str) -> str:
    file, colons, test_name = argument.partition("::")
    path = here / file
    return f"{path}{colons}{test_name}" if file and path.exists() else argument


@click.command()
@click.argument("steps", nargs=-1, type=click.Choice([*_STEPS, "test"]))
@sentences
def check(*, steps: tuple[str, ...]) -> None:
    """Run steps of the developer's check; without any: lint, types, fast tests."""
    for step in steps or ("lint", "types", "test"):
        if step == "test":
            _run((sys.executable, "-m", "pytest", *fast_selection()))
        for command in _STEPS.get(step, ()):
            _run((sys.executable, "-m", *command))


def _run(command: tuple[str, ...]) -> None:
    click.echo(f"$ {' '.join(('python', *command[1:]))}")
    if subprocess.run(command, cwd=toolkit_root(), check=False).returncode:
        raise PlatformError(f"{command[2]} found something; see above.")
