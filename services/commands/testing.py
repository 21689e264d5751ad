"""``mlops test`` and ``mlops check``: the launcher has put the development pins in place."""

import os
import shutil
import subprocess
import sys

import click

from services.home import toolkit_root

_FAST = "not engine and not browser and not slow"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _run(*arguments: str) -> int:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=toolkit_root(), env=environment, check=False).returncode


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--fast", is_flag=True, help="Only the tests without engines and browser.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, fast: bool, arguments: tuple[str, ...]) -> None:
    """Run the tests; further arguments go to pytest."""
    if not fast and not any(shutil.which(name) for name in _BROWSERS):
        click.echo(
            "The browser tests need Chromium, which is not installed. "
            "Debian: apt install chromium. macOS: brew install --cask chromium. "
            "`mlops test --fast` leaves them out.",
            err=True,
        )
        raise SystemExit(1)
    chosen = ("-m", _FAST) if fast else ()
    raise SystemExit(_run("pytest", *chosen, *arguments))


@click.command()
def check() -> None:
    """Check format, lint and types, then run the fast tests; what a change must pass."""
    steps = (
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "."),
        ("mypy",),
        ("pytest", "-q", "-m", _FAST),
    )
    for step in steps:
        click.echo(f"· {' '.join(step)}")
        code = _run(*step)
        if code:
            raise SystemExit(code)
