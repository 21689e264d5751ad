"""``mlops up``, ``down``, ``restart``, ``status``, ``logs``, ``doctor``."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands.output import json_option, print_json, print_table, sentences
from services.errors import PlatformError
from services.home import Home

if TYPE_CHECKING:
    from services.platform.state import EngineState, PlatformState
    from services.platform.status import EngineStatus

_UP_TIMEOUT_S = 600.0
"""The first start installs Airflow's environment, on a slow network for minutes."""
_POLL_S = 0.15


@click.command()
@click.option("--wait", is_flag=True, help="Return when every engine is live.")
@click.option("--demo", is_flag=True, help="Then train, register and evaluate the nine projects.")
@click.option("--foreground", is_flag=True, help="Stay; Ctrl-C stops everything.")
@sentences
def up(*, wait: bool, demo: bool, foreground: bool) -> None:
    """Start everything. What runs already is left alone."""
    from services.platform import control

    home = Home.locate()
    control.prepare(home)
    if foreground:
        _stay(home)
        return
    supervisor = control.running(home)
    if supervisor is None:
        _first_admin()
        if not control.begin(home):
            supervisor = control.running(home)
    if supervisor is not None:
        click.echo(f"The platform already runs (supervisor pid {supervisor.pid}).")
    _watch(home, everything=wait or demo)
    if demo:
        from services.commands.demo import demo as show

        show(home)


def _first_admin() -> None:
    """Make the first administrator and say the password, this once."""
    from services.access import ensure_admin
    from services.actions.journal import Journal
    from services.platform.configuration import load_settings

    password = ensure_admin(Journal.open(load_settings()))
    if password:
        click.echo("The first administrator was made. The password is shown this once:")
        click.echo(f"  user name  admin\n  password   {password}")


def _stay(home: Home) -> None:
    import logging
    import threading

    from services.commands.progress import shown
    from services.platform import supervisor

    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        filename=home.logs / "supervisor.log",
    )
    _first_admin()
    done = threading.Event()

    def draw(keeper: supervisor.Supervisor) -> None:
        def tell() -> None:
            with shown() as display:
                while not done.wait(_POLL_S):
                    display(keeper.state)
                display(keeper.state)

        threading.Thread(target=tell, daemon=True).start()

    try:
        code = supervisor.run(home, draw)
    finally:
        done.set()
    if code:
        raise PlatformError("The platform already runs.", "`mlops down` stops it.")


def _watch(home: Home, *, everything: bool) -> None:
    """Show the engines coming up until the dashboard answers, or until all do.

    Raises:
        PlatformError: An engine fails again and again, or the time is over.
    """
    from services.commands.progress import shown
    from services.platform import control

    deadline = time.monotonic() + _UP_TIMEOUT_S
    said = False
    try:
        with shown() as display:
            while time.monotonic() < deadline:
                state = control.current(home)
                display(state)
                if not said and (url := _dashboard_url(state)):
                    said = True
                    click.echo(f"Dashboard: {url}")
                _raise_failing(state)
                if _arrived(state, everything=everything):
                    break
                if control.running(home) is None:
                    raise PlatformError(
                        "The supervisor ended.", "`mlops logs supervisor` says why."
                    )
                time.sleep(_POLL_S)
            else:
                raise PlatformError(
                    f"Not everything was live within {_UP_TIMEOUT_S:.0f} s: {_absent(state)}.",
                    "It goes on in the background; see `mlops status` and `mlops logs ENGINE`.",
                )
    except KeyboardInterrupt:
        click.echo("It goes on in the background: `mlops status` shows it, `mlops down` stops it.")
        raise SystemExit(130) from None
    if absent := _absent(state):
        click.echo(f"Still coming up: {absent}. `mlops status` shows it.")


def _dashboard_url(state: "PlatformState") -> str:
    dashboard = state.engine("dashboard")
    return dashboard.url if dashboard and dashboard.phase == "live" else ""


def _raise_failing(state: "PlatformState") -> None:
    for engine in state.engines:
        if engine.phase == "failing":
            raise PlatformError(
                f"{engine.title} does not come up. {engine.detail}\n{engine.last_lines}".rstrip(),
                f"The rest runs. `mlops logs {engine.name}` has all of it; `mlops doctor` may "
                "name the mend.",
            )


def _arrived(state: "PlatformState", *, everything: bool) -> bool:
    if not everything:
        return bool(_dashboard_url(state))
    known = {engine.name for engine in state.engines}
    return bool(known) and known.issuperset(state.wanted) and not _absent(state)


def _absent(state: "PlatformState") -> str:
    from services.platform.parts import folded

    return ", ".join(engine.title for engine in folded(state.engines) if engine.phase != "live")


@click.command()
@sentences
def down() -> None:
    """Stop everything, also what a killed supervisor left behind."""
    from services.platform import control

    ended = control.end(Home.locate())
    if ended.left:
        raise PlatformError(
            f"These processes could not be ended: {', '.join(map(str, ended.left))}.",
            "They wait for the system (a dead disk or network mount?).",
        )
    click.echo(f"Stopped everything in {ended.took_s:.1f} s." if ended.ran else "Nothing runs.")


@click.command()
@click.argument("engine")
@sentences
def restart(*, engine: str) -> None:
    """Start one engine again."""
    from services.platform import control

    home = Home.locate()
    began = time.monotonic()
    told: list[str] = []

    def report(now: "EngineState") -> None:
        if now.phase != "live" and now.phase not in told:
            told.append(now.phase)
            click.echo(f"{now.title}: {now.phase}")

    control.restart(home, engine, 180.0, report)
    click.echo(f"{engine} is live again after {time.monotonic() - began:.1f} s.")


@click.command()
@json_option
@sentences
def status(*, as_json: bool) -> None:
    """Tell how every engine is."""
    from services.platform.status import status as ask

    found = ask(Home.locate())
    if found.problem:
        click.echo(found.problem, err=True)
    if found.disk and not as_json:
        click.echo(found.disk, err=True)
    if as_json:
        print_json(
            {
                "home": found.home,
                "supervisor_pid": found.supervisor_pid,
                "disk": found.disk,
                "engines": found.engines,
            }
        )
        return
    columns = ("engine", "state", "for", "answered", "memory", "pid", "where")
    rows = [row for engine in found.engines for row in _rows(engine)]
    print_table(columns, rows, "There is no engine.")
    for engine in found.engines:
        if engine.detail:
            click.echo(f"{engine.title}: {engine.detail}")


_SYMBOLS = {"live": "● live", "stale": "◐ stale", "down": "✕ down", "never": "○ never"}


def _rows(engine: "EngineStatus") -> list[list[str]]:
    """Return an engine's row, and one for each of its parts."""
    names = [part.title.removeprefix(f"{engine.title} ") for part in engine.parts]
    parts = [
        [f"  {name if name != engine.title else 'API server'}", *_row(part)[1:-1], "–"]
        for name, part in zip(names, engine.parts, strict=True)
    ]
    return [_row(engine), *parts]


def _row(engine: "EngineStatus") -> list[str]:
    since_s = (datetime.now(UTC) - engine.since).total_seconds() if engine.since else None
    memory = "–" if engine.rss_bytes is None else f"{engine.rss_bytes / 1e6:.0f} MB"
    return [
        engine.title,
        _SYMBOLS[engine.state],
        _span(since_s),
        "–" if engine.age_s is None else f"{_span(engine.age_s)} ago",
        memory,
        str(engine.pid or "–"),
        engine.url or "–",
    ]


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@click.command()
@click.argument("engine")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(0, 100_000))
@sentences
def logs(*, engine: str, follow: bool, lines: int) -> None:
    """Show the end of an engine's log (or of the log of the supervisor)."""
    from services.platform import control
    from services.platform import logs as files

    home = Home.locate()
    path = control.log_of(home, engine)
    click.echo(files.tail(path, lines), nl=False)
    if not follow:
        return
    try:
        for block in files.follow(path, lambda: False):
            click.echo(block, nl=False)
    except KeyboardInterrupt:
        return


@click.command()
@json_option
@sentences
def doctor(*, as_json: bool) -> None:
    """Name each problem of this installation and its mend; exit 1 when one is an error."""
    from services.platform.doctor import examine

    found = examine(Home.locate())
    if as_json:
        print_json({"findings": found})
    else:
        for finding in found:
            click.echo(f"{_LEVELS[finding.level]} {finding.what}: {finding.meaning}")
            if finding.mend:
                click.echo(f"    → {finding.mend}")
    if any(finding.level == "error" for finding in found):
        raise SystemExit(1)


_LEVELS = {"ok": "●", "warning": "◐", "error": "✕"}
