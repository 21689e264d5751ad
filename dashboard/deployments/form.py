"""The form of a question, made from what a version takes: one input a column."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.components import notices
from dashboard.deployments import pad, pictures
from dashboard.deployments.pictures import Frame
from dashboard.text import plain
from services.errors import InputError, MlopsError
from services.serving.models import BundleInfo, Field

_FEW = 5
_MOST_ROWS = 24
_LARGEST = 2**53 - 1
"""A browser's numbers are whole so far."""
_NOT_GIVEN = "not given"
_TYPES = ["png", "jpg", "jpeg", "gif", "bmp", "webp"]
_NUMBERS = ("INT", "UINT", "FP")


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be asked."""

    columns: Mapping[str, Sequence[Any]]
    """A column's name → one value a row."""
    examples: int = 0
    """So many rows at the beginning are examples to learn from: nobody asks what they are."""


def draw(info: BundleInfo, key: str) -> Question | None:
    """Draw the form; return the question, None while something it needs is not given."""
    rows = _rows(info, key) if info.interface == "few-shot" else 1
    told = [_row(info, f"{key}:{place}", place, rows) for place in range(rows)]
    if any(row is None for row in told):
        return None
    given = [row for row in told if row]
    if not given:
        _missing([one.name for one in info.inputs], any_of=True)
        return None
    names = dict.fromkeys(name for row in given for name in row)
    return Question({name: [row.get(name) for row in given] for name in names})


def _rows(info: BundleInfo, key: str) -> int:
    example = max((len(v) for v in info.example.values() if isinstance(v, list)), default=0)
    st.caption(
        "All rows of one question belong together: it learns from those that have a label and "
        "answers the others."
    )
    return int(
        st.number_input(
            "Rows", min_value=2, max_value=_MOST_ROWS, value=max(3, min(8, example)), step=1,
            key=f"{key}:rows",
        )
    )  # fmt: skip


def _row(info: BundleInfo, key: str, place: int, rows: int) -> dict[str, Any] | None:
    """Draw a row's inputs; return what was given, None while something needed is missing."""
    if rows > 1:
        with st.container(border=True, gap="small"):
            st.caption(f"Row {place + 1}")
            return _fields(info, key, place)
    return _fields(info, key, place)


def _fields(info: BundleInfo, key: str, place: int) -> dict[str, Any] | None:
    start = {one.name: _start(info, one, place) for one in info.inputs}
    return fields(info.inputs, start, key)


def fields(
    columns: Sequence[Field], start: Mapping[str, object], key: str, to: str = "ask"
) -> dict[str, Any] | None:
    """Draw one input a column; return what was given, None while something needed is missing.

    Args:
        columns: Those of one row.
        start: A column's name → what it shows at first.
        key: Of the widgets; another one makes new ones.
        to: What they are for, told while one is missing.
    """
    found, missing = {}, []
    for one in columns:
        try:
            given = value(one, start.get(one.name), f"{key}:{one.name}")
        except MlopsError as error:
            notices.problem(error)
            return None
        if given is None and not one.optional:
            missing.append(label(one))
        elif given is not None:
            found[one.name] = given
    if missing:
        _missing(missing, to=to)
        return None
    return found


def _missing(names: Sequence[str], *, any_of: bool = False, to: str = "ask") -> None:
    told = (" or " if any_of else " and ").join(names)
    st.caption(f"Give {plain(told, 200)} to {to}.")


def _start(info: BundleInfo, one: Field, place: int) -> object:
    """Return what a field shows at first: the row of the version's example, else of the field."""
    rows = info.example.get(one.name)
    if isinstance(rows, list) and rows:
        return rows[place] if place < len(rows) else rows[-1]
    return one.example


def label(one: Field) -> str:
    """Return what a field is called."""
    return one.title or one.name


def about(one: Field) -> str:
    """Return what is to be known of a field."""
    parts = [f"{one.name}, {one.datatype}" if one.title else one.datatype]
    if one.shape[1:]:
        parts.append(" × ".join(str(n) for n in one.shape[1:]))
    if one.min is not None and one.max is not None:
        parts.append(f"from {one.min:g} to {one.max:g}")
    if one.optional:
        parts.append("may be left out")
    return f"{', '.join(parts)}."


def value(one: Field, start: object, key: str) -> Any:  # noqa: ANN401 - of the schema
    """Draw the input of a column; return its value, None while it is not given.

    Raises:
        InputError: What was given is none of the column.
    """
    of = pictures.frame(one) if one.image else None
    told: dict[str, Any] = {"label": plain(label(one), 100), "help": plain(about(one), 200)}
    if of is not None:
        return _picture(one, of, start, key)
    if one.choices:
        return _choice(one, start, told | {"key": key})
    if one.shape[1:]:
        return _vector(one, start, told | {"key": key})
    if one.datatype == "BYTES":
        text = st.text_area(value=str(start or ""), height=92, key=key, **told)
        return text or None
    if one.datatype == "BOOL":
        return st.toggle(value=bool(start), key=key, **told)
    return _number(one, start, told | {"key": key})


def _choice(one: Field, start: object, told: dict[str, Any]) -> object:
    options = list(one.choices)
    if len(options) <= _FEW:
        return st.segmented_control(
            options=options, default=start if start in options else None, format_func=str, **told
        )
    return st.selectbox(
        options=options,
        index=options.index(start) if start in options else None,
        format_func=str,
        placeholder=_NOT_GIVEN,
        **told,
    )


def _number(one: Field, start: object, told: dict[str, Any]) -> float | None:
    low, high = _bound(_least(one) if one.min is None else one.min), _bound(one.max)
    known = start if isinstance(start, int | float) and not isinstance(start, bool) else None
    if known is not None and not _within(known, low, high):
        known = None
    if one.datatype.startswith("FP"):
        found: float | None = st.number_input(
            min_value=low, max_value=high, value=None if known is None else float(known),
            format="%g", placeholder=_NOT_GIVEN, **told,
        )  # fmt: skip
        return found
    whole: int | None = st.number_input(
        min_value=None if low is None else int(low),
        max_value=None if high is None else int(high),
        value=None if known is None else int(known),
        step=1,
        placeholder=_NOT_GIVEN,
        **told,
    )
    return whole


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _least(one: Field) -> float | None:
    return 0.0 if one.datatype.startswith("UINT") else None


def _bound(value: float | None) -> float | None:
    return None if value is None or abs(value) > _LARGEST else float(value)


def _vector(one: Field, start: object, told: dict[str, Any]) -> list[Any] | None:
    """Draw numbers, or words, in one line; a longer shape is filled row by row."""
    wanted = _count(one)
    flat = start if isinstance(start, list) else []
    text = st.text_area(
        value=", ".join(str(v) for v in flat),
        height=92,
        placeholder=f"{wanted:,} values with commas" if wanted else "Values with commas",
        **told,
    )
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    if not parts:
        return None
    if wanted and len(parts) != wanted:
        raise InputError(
            f"{label(one)} takes {wanted:,} values; there are {len(parts):,}.",
            "Separate them with commas.",
        )
    return parts if one.datatype == "BYTES" else [_figure(one, part) for part in parts]


def _count(one: Field) -> int:
    count = 1
    for each in one.shape[1:]:
        count *= max(0, each)
    return count


def _figure(one: Field, text: str) -> float:
    try:
        return float(text) if one.datatype.startswith("FP") else int(text)
    except ValueError as error:
        raise InputError(
            f"“{text[:40]}” in {label(one)} is no number.", f"It takes {one.datatype}."
        ) from error


def _picture(one: Field, of: Frame, start: object, key: str) -> list[Any] | None:
    st.markdown(plain(label(one), 100), help=plain(about(one), 200))
    place = st.container()
    sent = st.file_uploader(
        f"Picture for {plain(label(one), 60)}", type=_TYPES, key=f"{key}:file",
        label_visibility="collapsed", max_upload_size=10,
    )  # fmt: skip
    data = sent.getvalue() if sent is not None else b""
    cells = pictures.read(data, of) if data else pictures.cells_of(start, of)
    stamp = hashlib.sha256(data).hexdigest()[:12] if data else ""
    with place:
        if of.drawn:
            cells = pad.draw(
                label(one), of.wide, of.high, cells, key=f"{key}:pad{stamp}", channels=of.channels
            )
        elif data:
            sent_as = pictures.pixels(cells, of.high, of.wide, of.channels)
            st.image(sent_as, alt="The picture as it is sent")
    if not any(cells):
        return None  # nothing was drawn or sent
    return pictures.value_of(cells, of, one)
