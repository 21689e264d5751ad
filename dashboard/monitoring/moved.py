"""The columns of a check: which carry the shift, how one of them was and is, and all of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import watched
from dashboard.charts import timeline
from dashboard.charts.theme import Colours, colours
from dashboard.charts.timeline import Line, Mark, Panel
from dashboard.components import located
from dashboard.monitoring import access, address, columns, looks, spread
from dashboard.monitoring.access import Seen, Subject
from dashboard.numbers import counted, percent
from dashboard.text import markup, plain
from services.monitoring import weights
from services.monitoring.comparing import EMPTY
from services.monitoring.models import ColumnVerdict, Family, is_moved
from services.monitoring.wording import title

_SHOWN, _DRIVERS = 40, 6
FIND = "columns"
_TITLES: dict[Family, str] = {
    "data": "Inputs", "prediction": "Outputs", "quality": "All columns",
}  # fmt: skip


def draw(of: Subject, seen: Seen, kinds: Sequence[Family], part: str | None) -> None:
    """Draw the columns of the verdicts of some kinds, and the one that is chosen in full."""
    found = {
        kind: weights.ordered([_with_spread(one, seen) for one in seen.verdicts[kind].columns])
        for kind in kinds if kind in seen.verdicts
    }  # fmt: skip
    every = [(kind, one) for kind, some in found.items() for one in some]
    if not every:
        st.caption("No column was compared: the sentences above say why.")
        return
    kind, chosen = _chosen(every)
    if "data" in kinds:
        _drivers(seen)
    _one(of, seen, kind, chosen)
    words = ""
    if len(every) > _SHOWN:
        words = located.text("Find a column", name=FIND, placeholder="Part of its name", width=220)
    for each, some in found.items():
        _table(of, seen, each, some, chosen, words, part)


def _with_spread(column: ColumnVerdict, seen: Seen) -> ColumnVerdict:
    """Return a column with how it is spread: the verdict on quality keeps that of none."""
    if column.reference is not None:
        return column
    others = (
        one
        for kind in ("data", "prediction")
        if kind in seen.verdicts
        for one in seen.verdicts[kind].columns
    )
    same = next((one for one in others if one.name == column.name), column)
    return replace(column, reference=same.reference, current=same.current)


def _chosen(every: Sequence[tuple[Family, ColumnVerdict]]) -> tuple[Family, ColumnVerdict]:
    """Return the column that the address names, else the one that moved with most weight."""
    named = access.column()
    first = next((one for one in every if is_moved(one[1].state)), every[0])
    return next((one for one in every if one[1].name == named), first)


def _table(
    of: Subject,
    seen: Seen,
    kind: Family,
    found: Sequence[ColumnVerdict],
    chosen: ColumnVerdict,
    words: str,
    part: str | None,
) -> None:
    moved = sum(is_moved(one.state) for one in found)
    st.markdown(f"**{_TITLES[kind]}** :gray[{moved:,} of {counted(len(found), 'column')} moved]")
    folded = words.casefold().strip()
    kept = [one for one in found if folded in one.name.casefold()]
    shown = kept[:_SHOWN]

    def href(name: str) -> str:
        live = seen.version == of.live
        return address.to(
            of.name,
            version=None if live else seen.version,
            verdict=None if seen.newest else seen.check.id,
            column=name,
            part=part,
        )

    if shown:
        st.html(columns.html(shown, chosen.name, href, colours()))
    else:
        st.caption("No column is called so.")
    if len(kept) > len(shown):
        st.caption(
            f"{len(shown):,} of {counted(len(kept), 'column')}, those with most weight that moved "
            "first. Look for the others by name."
        )


# What carries the shift


def _drivers(seen: Seen) -> None:
    """Draw the inputs that moved with their shares of all that moved, as Causes has them."""
    quality = seen.verdicts.get("quality")
    inputs = weights.inputs(seen.verdicts["data"].columns, quality.columns if quality else ())
    found = weights.shares(inputs)
    if not found:
        return
    known = {one.name: one for one in inputs}
    answer = seen.verdicts.get("prediction")
    moved = answer is not None and answer.state == "drifted"
    st.markdown("**What the shift goes with**")
    shown = [(known[name], share) for name, share in list(found.items())[:_DRIVERS]]
    st.html(bars(shown, colours()))
    more = f" {len(found) - _DRIVERS:,} more are below." if len(found) > _DRIVERS else ""
    told = "The answers moved too." if moved else "The answers did not move, or not clearly."
    st.caption(f"{told} {_how(inputs)}{more} It orders them; it proves no cause.")


def _how(inputs: Sequence[ColumnVerdict]) -> str:
    if any(one.importance is not None for one in inputs):
        return (
            "The inputs that moved, by how much of the answer goes with them in the baseline times "
            "how far they moved: a rule of thumb."
        )
    return (
        "The inputs that moved, by how far they moved alone: how much of the answer goes with each "
        "is not known."
    )


def bars(found: Sequence[tuple[ColumnVerdict, float]], hues: Colours) -> str:
    """Return columns with their shares, 0 to 1, as bars: hatched, for they are about so much."""
    rows, fill = [], looks.hatched(hues.warn)
    for one, share in found:
        name, said = markup(title(one.name), 60), markup(one.said, 400)
        rows.append(
            f'<div style="overflow-wrap:anywhere">{name}</div>'
            f'<div title="{said}" style="height:12px;background:{hues.surface};border-radius:2px">'
            f'<div style="height:100%;width:{share * 100:.1f}%;background:{fill}"></div>'
            f'</div><div style="text-align:right">≈ {percent(share)}</div>'
        )
    return (
        '<div style="display:grid;grid-template-columns:minmax(90px,220px) minmax(80px,480px) 56px;'
        "column-gap:12px;row-gap:5px;align-items:center;font-size:13px;"
        f'font-variant-numeric:tabular-nums">{"".join(rows)}</div>'
    )


# One column


def _one(of: Subject, seen: Seen, kind: Family, column: ColumnVerdict) -> None:
    with st.container(border=True, key="monitoring-column"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(title(column.name), 80)}**", width="content")
            looks.badge(looks.column(column.state))
            st.caption(plain(column.said, 400), width="content")
        if column.reference is None or column.current is None:  # nothing came, or was compared
            _over_time(of, seen, kind, column)
            return
        left, right = st.columns(2, gap="medium")
        with left:
            spread.draw(column, key=f"monitoring-spread:{of.name}")
            st.caption(_below(column))
        with right:
            _over_time(of, seen, kind, column)


def _below(column: ColumnVerdict) -> str:
    if column.reference is None:
        return ""
    if column.kind == "text":
        return f"Of a text its number of words is drawn. Compared: {plain(column.measure, 120)}."
    if column.kind in ("vector", "picture"):
        return (
            "A classifier learned of half of the rows to tell then from now; drawn is what it says "
            "of the other half. Where the outlines lie on each other it cannot tell."
        )
    return plain(spread.ends(column), 300)


def _over_time(of: Subject, seen: Seen, kind: Family, column: ColumnVerdict) -> None:
    found = watched.column(of.project, of.model, seen.version, kind, column.name)
    known = [one for one in found if one.effect is not None]
    if len(known) < 2 or column.threshold is None:
        st.caption("How far it moved is drawn here from the second check on that compared it.")
        return
    begin, end = (datetime.fromtimestamp(one.at, UTC) for one in (found[0], found[-1]))
    shares = column.measure == EMPTY
    factor = 100.0 if shares else 1.0
    times = [datetime.fromtimestamp(one.at, UTC) for one in found]
    values = [None if one.effect is None else one.effect * factor for one in found]
    level = column.threshold * factor
    lines = [
        Line("effect", times, values, colour=0),
        Line("counts from", times, [level] * len(times), dashed=True, colour=1),
    ]
    mark = Mark(datetime.fromtimestamp(seen.check.at, UTC), "this check", "mode")
    timeline.draw(
        [Panel("How far it moved", "%" if shares else "", lines)],
        begin, max(end, begin + timedelta(minutes=1)), key=f"monitoring-effect:{of.name}",
        marks=[mark] if begin <= mark.at <= end else [],
    )  # fmt: skip
    st.caption(plain(columns.short(column.measure), 120))
