"""The answers of two versions, read from the prediction log and compared."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from services.home import Home
from services.monitoring import shift
from services.monitoring.distances import Values
from services.monitoring.limits import LEAST, THRESHOLD
from services.monitoring.shift import Column, Shift
from services.predictions import monitoring
from services.serving.drift import Found, Wish

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 5000
"""Predictions of a side that are compared: by chance, undrifted ones then are 0.03 apart."""
_DAY_S = 86_400.0
"""Older answers are not what the version before answered lately."""
_NAMED = 3
_LONGEST = 40


def compare(home: Home, wish: Wish, now: float) -> Found:
    """Return how the answers of a new version differ from those of the version before.

    Of each request its first row counts. The new version's newest ``MOST`` since it is asked are
    held against the other's of the same stretch, or against its last ones before the switch, at
    most a day old. Its inputs are compared too: where they drifted as well, that is said, for the
    answers may differ because of it; they are not of the version's making and do not count.

    Args:
        home: Where everything is.
        wish: What to compare.
        now: Seconds since 1970.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    oldest = max(wish.began_at, now - _DAY_S)
    begin = oldest if wish.beside else wish.began_at - _DAY_S
    # A day more: in files that hold hashes too, figures are text.
    hashed = monitoring.hashed_until(home, wish.project, wish.model, begin - _DAY_S, now)
    # The least that is later: a microsecond as seconds since 1970 is a few of the last digits.
    after = -math.inf if hashed is None else hashed + 1e-6
    current = monitoring.features(
        home, wish.project, wish.model, wish.version, max(oldest, after), None,
        newest=MOST, first=True, shadow=wish.shadow,
    )  # fmt: skip
    if len(current) < LEAST:
        return _found(wish, None, _few(f"{len(current):,} of the new version"))
    reference = _reference(home, wish, current, max(begin, after))
    if len(reference) < LEAST:
        return _found(wish, None, _few(f"{len(reference):,} of version {wish.against}"))
    parsed = hashed is not None
    answers = _compared("output.", reference, current, parsed=parsed)
    if answers is None or answers.share is None:
        said = (
            "Its answers cannot be compared: no column of them is a figure or of few enough "
            "different values."
        )
        return _found(wish, None, said)
    asked = _compared("input.", reference, current, parsed=parsed)
    rows = f"{len(current):,} predictions against {len(reference):,} of version {wish.against}"
    return _found(wish, answers.share, f"{_told(answers, rows)}{_asked(answers, asked)}")


def _reference(home: Home, wish: Wish, current: "pa.Table", begin: float) -> "pa.Table":
    if not wish.beside:
        return monitoring.features(
            home, wish.project, wish.model, wish.against, begin, wish.began_at,
            newest=MOST, first=True,
        )  # fmt: skip
    import pyarrow.compute as pc

    since = pc.min(current["answered_at"]).as_py().timestamp()
    return monitoring.features(
        home, wish.project, wish.model, wish.against, max(begin, since), None,
        newest=MOST, first=True,
    )  # fmt: skip


def _compared(
    prefix: str, reference: "pa.Table", current: "pa.Table", *, parsed: bool
) -> Shift | None:
    return shift.compare(
        _columns(reference, prefix, parsed=parsed), _columns(current, prefix, parsed=parsed)
    )


def _columns(table: "pa.Table", prefix: str, *, parsed: bool) -> Mapping[str, Values]:
    names = [name for name in table.column_names if name.startswith(prefix)]
    found = {name.removeprefix(prefix): _values(table[name]) for name in names}
    return {name: _parsed(values) for name, values in found.items()} if parsed else found


def _parsed(values: Values) -> Values:
    """Return text that is figures as these."""
    try:
        return values.astype(float)  # None becomes NaN
    except ValueError:
        return values


def _values(column: "pa.ChunkedArray") -> Values:
    """Return figures as floats, all else as text; empty: NaN or None."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        figures: Values = column.cast(pa.float64(), safe=False).to_numpy()
        return figures
    values: list[Any] = column.cast(pa.string()).to_pylist()
    return np.array(values, dtype=object)


def _few(known: str) -> str:
    return f"Not enough predictions to compare yet: {known}, of {LEAST:,} it takes."


def _told(answers: Shift, rows: str) -> str:
    drifted, number = answers.drifted, len(answers.columns)
    if not drifted:
        said = f"None of {number} columns" if number > 1 else "No column"
        return f"{said} of its answers drifted, by {rows}."
    far = ", ".join(map(_named, drifted[:_NAMED]))
    more = ", …" if len(drifted) > _NAMED else ""
    return (
        f"{len(drifted)} of {number} columns of its answers drifted ({far}{more}; from "
        f"{THRESHOLD:g} on it is drift), by {rows}."
    )


def _named(column: Column) -> str:
    name = column.name if len(column.name) <= _LONGEST else f"{column.name[:_LONGEST]}…"
    if column.measure == "type":
        return f"{name}: of another type"
    what = "missing otherwise, " if column.measure == "missing" else ""
    return f"{name}: {what}{column.distance:.2g}"


def _asked(answers: Shift, asked: Shift | None) -> str:
    if asked is None or not asked.drifted or not answers.drifted:
        return ""
    return (
        f" {len(asked.drifted)} of {len(asked.columns)} columns of what it was asked drifted too, "
        "which may be why."
    )


def _found(wish: Wish, share: float | None, said: str) -> Found:
    return Found(wish.name, wish.version, wish.began_at, share, said)
