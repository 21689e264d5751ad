"""Tables of some hundred rows at most: longer ones are paged by the asker, not by the browser."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import pandas as pd
import streamlit as st

from dashboard.numbers import counted
from dashboard.text import shortened

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

PAGE_SIZE = 50
_ROW_PX = 36
_CELL_LIMIT = 300


def table(
    rows: Sequence[Mapping[str, object]],
    columns: Mapping[str, "ColumnConfig | str | None"],
    *,
    key: str,
    select: bool = False,
    max_rows_shown: int = 16,
) -> int | None:
    """Draw rows; return the index of the selected one when ``select`` is on.

    ``columns`` maps each field to a ``st.column_config`` column, in order. Cells are drawn as text,
    never as markdown or HTML; a sequence of numbers is a sparkline's.
    """
    frame = pd.DataFrame(
        [{name: _short(row.get(name)) for name in columns} for row in rows], columns=list(columns)
    )
    height: int | Literal["content"] = "content"
    if len(rows) > max_rows_shown:
        height = _ROW_PX * (max_rows_shown + 1)
    if not select:
        st.dataframe(
            frame,
            column_config=dict(columns),
            hide_index=True,
            height=height,
            key=key,
            row_height=_ROW_PX,
        )
        return None
    event = st.dataframe(
        frame,
        column_config=dict(columns),
        hide_index=True,
        height=height,
        key=key,
        row_height=_ROW_PX,
        on_select="rerun",
        selection_mode="single-row",
    )
    chosen = event.selection.rows
    return int(chosen[0]) if chosen and chosen[0] < len(rows) else None


def offset(key: str = "page", size: int = PAGE_SIZE) -> int:
    """Return the first row of the page the address names."""
    named = st.query_params.get(key, "1")
    return (int(named) - 1) * size if named.isdecimal() and 0 < int(named) < 10**7 else 0


def pager(total: int, *, key: str = "page", size: int = PAGE_SIZE, noun: str = "row") -> None:
    """Draw which rows are shown of how many, and the pages when there are several."""
    pages = max(1, math.ceil(total / size))
    first = min(offset(key, size), (pages - 1) * size)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        last = min(first + size, total)
        st.caption(
            f"{first + 1:,}–{last:,} of {counted(total, noun)}" if total else f"No {noun}s",
            width="content",
        )
        if pages > 1:
            st.pagination(pages, key=key, bind="query-params")


def _short(cell: object) -> object:
    return shortened(cell, _CELL_LIMIT) if isinstance(cell, str) else cell
