"""Progress of engines coming up: a live table on a terminal, a line a change in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from services.platform.parts import folded
from services.platform.state import EngineState, PlatformState

if TYPE_CHECKING:
    from rich.table import Table

Draw = Callable[[PlatformState], None]

_WORDS = {
    "starting": ("○", "starting", "cyan"),
    "live": ("●", "live", "green"),
    "unresponsive": ("◐", "not answering", "yellow"),
    "waiting": ("◌", "ended, tried again soon", "yellow"),
    "failing": ("✕", "failing", "red"),
    "stopping": ("○", "stopping", "cyan"),
    "stopped": ("○", "stopped", "dim"),
}


@contextmanager
def shown() -> Iterator[Draw]:
    """Give a function that draws the engines as they are now."""
    if not sys.stdout.isatty():
        yield _plain_lines()
        return
    from rich.live import Live

    with Live(refresh_per_second=8, transient=False) as live:
        yield lambda state: live.update(_table(state))


def _plain_lines() -> Draw:
    told: dict[str, str] = {}

    def draw(state: PlatformState) -> None:
        for engine in folded(state.engines):
            line = f"{engine.title}: {_sentence(engine, state)}"
            if told.get(engine.name) != engine.phase:
                told[engine.name] = engine.phase
                click.echo(line)

    return draw


def _sentence(engine: EngineState, state: PlatformState) -> str:
    word = _WORDS[engine.phase][1]
    if engine.phase == "live":
        took = _took_s(engine, state)
        after = f" after {took:.1f} s" if took is not None else ""
        return f"{word}{after}" + (f" at {engine.url}" if engine.url else "")
    return f"{word}. {engine.detail}" if engine.phase in {"waiting", "failing"} else word


def _took_s(engine: EngineState, state: PlatformState) -> float | None:
    if engine.since is None or state.started_at is None:
        return None
    return max(0.0, engine.since - state.started_at)


def _table(state: PlatformState) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(4):
        table.add_column()
    table.add_column(no_wrap=True, overflow="ellipsis")
    now = time.time()
    for engine in folded(state.engines):
        symbol, word, colour = _WORDS[engine.phase]
        took = _took_s(engine, state) if engine.phase == "live" else _running_s(state, now)
        table.add_row(
            f"[{colour}]{symbol}[/]",
            engine.title,
            f"[{colour}]{word}[/]",
            "" if took is None else f"{took:.1f} s",
            escape(engine.url if engine.phase == "live" else engine.detail),
        )
    return table


def _running_s(state: PlatformState, now: float) -> float | None:
    return None if state.started_at is None else max(0.0, now - state.started_at)
