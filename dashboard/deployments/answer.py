"""An answer as people read it: pictures as pictures, labels with how sure, vectors in short."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from dashboard.charts import small
from dashboard.charts.theme import Colours, colours
from dashboard.deployments import pictures
from dashboard.numbers import counted, number, percent
from dashboard.text import markup, plain
from services.serving.models import BundleInfo
from services.serving.visiting import Answer, Output

_CONFIDENCES = ("confidence", "probability", "score")
_PICTURES = 12
_ROWS = 50
_NUMBERS = 6


def draw(answer: Answer, info: BundleInfo) -> None:
    """Draw it by the version's interface."""
    if info.interface == "text" and not answer.outputs:
        written(answer.text)
        return
    rest = list(answer.outputs)
    for one in answer.outputs:
        if _image(one, info):
            _pictures(one)
            rest.remove(one)
    label, sure = _labels(rest)
    if label is not None:
        st.html(labels_html(label, sure, colours()))
        rest = [one for one in rest if one is not label and one is not sure]
    for one in rest:
        _other(one, info)


def without(found: Answer, examples: int) -> Answer:
    """Return an answer without its first rows: those of examples say what the asker said."""
    if not examples:
        return found
    return replace(found, outputs=tuple(_rest(one, examples) for one in found.outputs))


def _rest(one: Output, examples: int) -> Output:
    rows = one.shape[0] if one.shape else 0
    if rows <= examples:
        return one
    each = len(one.data) // rows
    return replace(one, shape=(rows - examples, *one.shape[1:]), data=one.data[examples * each :])


def written(text: str) -> None:
    """Draw text letter by letter."""
    st.html(
        f'<div role="log" aria-label="What it wrote" style="white-space:pre-wrap;overflow-wrap:'
        f'anywhere;font-size:15px;line-height:1.6">{markup(text, 100_000)}</div>'
    )


def _image(one: Output, info: BundleInfo) -> bool:
    known = next((field for field in info.outputs if field.name == one.name), None)
    return (known is not None and known.image) or (
        info.interface == "images" and one.datatype != "BYTES" and len(one.shape) in {3, 4}
    )


def _pictures(one: Output) -> None:
    shape, side = one.shape[1:], 0
    if len(shape) == 1:
        side = math.isqrt(shape[0])
        shape = (side, side) if side * side == shape[0] else ()
    if len(shape) not in {2, 3}:
        st.caption(f"{plain(one.name)} has the shape {one.shape}: that is no picture.")
        return
    rows = one.rows[:_PICTURES]
    channels = shape[2] if len(shape) == 3 else 1
    drawn = [pictures.pixels(row, shape[0], shape[1], channels) for row in rows]
    st.image(drawn, alt=[f"{plain(one.name)} {n + 1}" for n in range(len(drawn))])
    known = [v for row in rows for v in row if isinstance(v, int | float) and math.isfinite(v)]
    span = f", from {number(min(known), 3)} to {number(max(known), 3)}" if known else ""
    st.caption(f"{plain(one.name)}: {shape[1]} by {shape[0]} pixels{span}.")


def _labels(found: Sequence[Output]) -> tuple[Output | None, Output | None]:
    """Return the column of labels and that of how sure it is of them."""
    sure = next((one for one in found if one.name in _CONFIDENCES and len(one.shape) == 1), None)
    names = [one for one in found if one is not sure and len(one.shape) == 1]
    label = next((one for one in names if one.name in {"label", "class", "prediction"}), None)
    return (label or (names[0] if names and sure is not None else None)), sure


def labels_html(label: Output, sure: Output | None, hues: Colours) -> str:
    """Return a label a row, with a bar of how sure it is."""
    rows = []
    for place, value in enumerate(label.data[:_ROWS]):
        ratio = sure.data[place] if sure and place < len(sure.data) else None
        rows.append(_label(value, ratio, hues, place if len(label.data) > 1 else None))
    more = len(label.data) - _ROWS
    tail = f'<div style="color:{hues.muted}">and {more:,} more rows</div>' if more > 0 else ""
    return f'<div style="display:grid;gap:8px">{"".join(rows)}{tail}</div>'


def _label(value: object, ratio: object, hues: Colours, place: int | None) -> str:
    head = "" if place is None else f'<span style="color:{hues.muted}">{place + 1}</span> '
    size = 24 if place is None else 15
    bar = ""
    if isinstance(ratio, int | float) and math.isfinite(ratio):
        wide = min(1.0, max(0.0, float(ratio))) * 100
        bar = (
            f'<div style="display:flex;gap:8px;align-items:center"><div style="flex:1;max-width:'
            f'260px;height:8px;border-radius:4px;background:{hues.line}"><div style="width:'
            f'{wide:.1f}%;height:8px;border-radius:4px;background:{hues.accent}"></div></div>'
            f'<span style="font-variant-numeric:tabular-nums">{percent(float(ratio), 1)}</span>'
            "</div>"
        )
    return (
        f'<div>{head}<span style="font-size:{size}px;font-weight:600;overflow-wrap:anywhere">'
        f"{markup(value, 200)}</span>{bar}</div>"
    )


def _other(one: Output, info: BundleInfo) -> None:
    if one.datatype == "BYTES":
        for value in one.data[:_ROWS]:
            written(str(value))
        return
    if len(one.shape) >= 2 and one.shape[-1] > 1:
        _vectors(one, key=f"try-{info.project}-{one.name}")
        return
    shown = ", ".join(number(_finite(v), 5) for v in one.data[:_ROWS])
    st.markdown(f"**{plain(one.name)}** {plain(shown, 600)}")


def _finite(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _vectors(one: Output, key: str) -> None:
    """Draw the first vector as a line, and of all how long and how alike they are."""
    rows = np.asarray([[_finite(v) for v in row] for row in one.rows], dtype=np.float64)
    if not rows.size:
        st.caption(f"{plain(one.name)} is empty.")
        return
    wide = rows.shape[1]
    norms = np.linalg.norm(rows, axis=1)
    first = ", ".join(number(float(v), 3) for v in rows[0][:_NUMBERS])
    st.markdown(
        f"**{plain(one.name)}**: {counted(len(rows), 'vector')} of {wide:,} numbers, length "
        f"{number(float(norms[0]), 3)}, begins with {plain(first)} …"
    )
    drawn = {
        f"row {n + 1}": (range(wide), [float(v) for v in row]) for n, row in enumerate(rows[:4])
    }
    small.lines(drawn, key=key, x_name="place in the vector", height_px=160)
    if len(rows) > 1:
        alike = rows @ rows.T / np.maximum(np.outer(norms, norms), 1e-12)
        st.caption(f"Cosine of rows 1 and 2: {number(float(alike[0, 1]), 3)}.")
