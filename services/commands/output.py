"""How commands print: tables on a terminal, plain text in a pipe, JSON when asked."""

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from services.errors import FilterError, InputError, MlopsError

P = ParamSpec("P")
R = TypeVar("R")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys.")


def plain(value: object) -> Any:  # noqa: ANN401 - JSON is what it is
    """Return ``value`` as JSON knows it: ISO times, NaN and infinities as words."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows; ``empty`` is the sentence said when there are none."""
    if not rows:
        click.echo(empty)
        return
    # What a run logged may hold tabs, line breaks and what steers a terminal: a row is one line.
    rows = [[_CONTROL.sub(" ", cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def say(text: str, *, err: bool = False) -> None:
    """Print one line of words that may hold what others named, without what steers a terminal."""
    click.echo(_CONTROL.sub(" ", text), err=err)


def number(value: float | None) -> str:
    """Return a number for a table, a dash when there is none."""
    if value is None:
        return "–"
    return f"{value:.4g}" if math.isfinite(value) else str(value)


def moment(value: datetime | None) -> str:
    """Return a time for a table: UTC, to the second."""
    return "–" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def sentences(function: Callable[P, R]) -> Callable[P, R]:
    """Turn our errors into a sentence on stderr: exit 2 for wrong input, 1 for the rest."""

    @wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except MlopsError as error:
            _tell(error)

    return told


def _tell(error: MlopsError) -> NoReturn:
    click.echo(f"Error: {error.message}", err=True)
    if isinstance(error, FilterError) and error.text:
        click.echo(error.pointer(), err=True)
    if error.hint:
        click.echo(error.hint, err=True)
    raise SystemExit(2 if isinstance(error, InputError) else 1)
