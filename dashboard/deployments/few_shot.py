"""The form of a model that learns from the rows of a question: examples first, then what is asked.

Examples are added one at a time and stand as small pictures, or as a table; the version's own
example fills all of it in.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.components import notices
from dashboard.deployments import form, pictures
from dashboard.deployments.form import Question
from dashboard.deployments.pictures import Frame
from dashboard.numbers import counted
from dashboard.text import plain
from services.errors import MlopsError
from services.serving.models import BundleInfo, Field

_MOST = 200
_THUMB_PX, _EDGE_PX = 52, 5
_NAMED = 12
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Which column says of a row what it is, and what it says where that is asked."""

    label: Field
    asked: object

    @property
    def classes(self) -> tuple[str | int | float, ...]:
        """Return what an example can be."""
        return tuple(one for one in self.label.choices if one != self.asked)


@dataclass(slots=True)
class _Held:
    """What was given so far, of one model, while the page is open."""

    rows: list[Row] = field(default_factory=list)
    asked: Row | None = None
    """What the fields of the question begin with; None: with nothing."""
    serial: int = 0
    """Fields of another number are new ones, and empty."""


def lesson(info: BundleInfo) -> Lesson | None:
    """Return how a model is taught, None where its schema does not tell.

    The label is the column that is answered too. What it says where it is asked is the one choice
    that is never answered, else what the last row of the version's example says.
    """
    answers = {one.name: one for one in info.outputs}
    label = next((one for one in info.inputs if one.name in answers and one.choices), None)
    if info.interface != "few-shot" or label is None:
        return None
    known = answers[label.name].choices
    apart = [one for one in label.choices if one not in known] if known else []
    if len(apart) == 1:
        return Lesson(label, apart[0])
    rows = info.example.get(label.name)
    last = rows[-1] if isinstance(rows, list) and rows else None
    return Lesson(label, last) if last in label.choices else None


def draw(info: BundleInfo, of: Lesson, key: str) -> Question | None:
    """Draw the form; return the question, None while something it needs is not given."""
    held = _held(key)
    if info.title:
        st.caption(plain(info.title, 300))
    columns = [one for one in info.inputs if one.name != of.label.name]
    st.markdown("**Examples it learns from**")
    with st.container():  # its number of parts changes, what is below keeps its place
        _shown(held.rows, columns, of)
    _buttons(info, of, key, held)
    with st.container(border=True, gap="small", key=f"{key}:one"):
        _one_more(columns, of, key, held)
    st.markdown("**What is asked**")
    asked = form.fields(columns, held.asked or {}, f"{key}:asked{_filled(key)}")
    if not held.rows:
        st.caption("Add an example first, or fill in those of this version.")
        return None
    if asked is None:
        return None
    rows = [*held.rows, {**asked, of.label.name: of.asked}]
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: [row.get(name) for row in rows] for name in names}
    return Question(found, examples=len(held.rows))


def example(info: BundleInfo, of: Lesson) -> tuple[list[Row], Row | None]:
    """Return the examples of the version's own example, and the row that it asks."""
    known = {name: rows for name, rows in info.example.items() if isinstance(rows, list)}
    count = min((len(rows) for rows in known.values()), default=0)
    rows: list[Row] = [
        {name: values[place] for name, values in known.items()} for place in range(count)
    ]
    taught: list[Row] = [row for row in rows if row.get(of.label.name) != of.asked]
    return taught, next((row for row in rows if row.get(of.label.name) == of.asked), None)


# What is held


def _held(key: str) -> _Held:
    found: _Held = st.session_state.setdefault(f"{key}:held", _Held())
    return found


def _filled(key: str) -> int:
    return int(st.session_state.get(f"{key}:filled", 0))


def _fill(info: BundleInfo, of: Lesson, key: str) -> None:
    held = _held(key)
    rows, held.asked = example(info, of)
    held.rows[:] = rows[:_MOST]
    st.session_state[f"{key}:filled"] = _filled(key) + 1


def _add(key: str, row: Row) -> None:
    held = _held(key)
    held.rows.append(row)
    held.serial += 1


def _take_back(key: str) -> None:
    del _held(key).rows[-1:]


def _clear(key: str) -> None:
    _held(key).rows.clear()


# What is drawn


def _buttons(info: BundleInfo, of: Lesson, key: str, held: _Held) -> None:
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Fill in example data", key=f"{key}:fill", icon=":material/auto_fix_high:",
            on_click=_fill, args=(info, of, key), disabled=not example(info, of)[0],
            help="The version's own example, which is asked before it goes live: one of each "
            "class, made from what the columns can hold.",
        )  # fmt: skip
        st.button(
            "Take the last back", key=f"{key}:back", icon=":material/undo:", on_click=_take_back,
            args=(key,), disabled=not held.rows,
        )  # fmt: skip
        st.button(
            "Clear", key=f"{key}:clear", icon=":material/delete:", on_click=_clear, args=(key,),
            disabled=not held.rows,
        )  # fmt: skip


def _one_more(columns: Sequence[Field], of: Lesson, key: str, held: _Held) -> None:
    st.caption("One more example")
    here = f"{key}:new{held.serial}"
    row = form.fields(columns, {}, here, "add it")
    choice = replace(of.label, choices=of.classes, title=of.label.title or of.label.name)
    try:
        label = form.value(choice, _next(held.rows, of), f"{here}:label")
    except MlopsError as error:
        notices.problem(error)
        label = None
    off = row is None or label is None or len(held.rows) >= _MOST
    st.button(
        "Add this example", key=f"{key}:add", icon=":material/add:", disabled=off, on_click=_add,
        args=(key, {**(row or {}), of.label.name: label}),
        help=f"No more than {_MOST} are taken." if len(held.rows) >= _MOST else None,
    )  # fmt: skip


def _next(rows: Sequence[Row], of: Lesson) -> object:
    """Return the first class without an example; of all that have one, the first class."""
    there = {row.get(of.label.name) for row in rows}
    return next((one for one in of.classes if one not in there), of.classes[0])


def _shown(rows: Sequence[Row], columns: Sequence[Field], of: Lesson) -> None:
    if not rows:
        st.caption("There is none yet.")
        return
    drawn = next((one for one in columns if one.image and pictures.frame(one)), None)
    if drawn is not None:
        _thumbs(rows, drawn, of)
    else:
        st.dataframe([{name: str(value) for name, value in row.items()} for row in rows])
    st.caption(_told(rows, of))


def _thumbs(rows: Sequence[Row], drawn: Field, of: Lesson) -> None:
    frame = pictures.frame(drawn)
    assert frame is not None  # noqa: S101 - asked above
    images = [_framed(pictures.cells_of(row.get(drawn.name), frame), frame) for row in rows]
    labels = [plain(str(row.get(of.label.name)), 20) for row in rows]
    st.image(images, caption=labels, width=_THUMB_PX)


def _framed(cells: Sequence[float], frame: Frame) -> NDArray[np.uint8]:
    """Return a picture with a grey edge: a white stroke at its side is told from the page."""
    shown = pictures.pixels(cells, frame.high, frame.wide, frame.channels)
    edges = [(_EDGE_PX, _EDGE_PX)] * 2 + [(0, 0)] * (shown.ndim - 2)
    return np.pad(shown, edges, constant_values=128)


def _told(rows: Sequence[Row], of: Lesson) -> str:
    """Return how many there are of what, as sentences."""
    counts = Counter(row.get(of.label.name) for row in rows)
    missing = [str(one) for one in of.classes if one not in counts]
    told = f"{counted(len(rows), 'example')} of {counted(len(counts), 'class', 'classes')}."
    if not missing:
        return told
    named = ", ".join(missing[:_NAMED]) + (" …" if len(missing) > _NAMED else "")
    return f"{told} None yet of {plain(named, 200)}: it cannot tell those apart from the others."
