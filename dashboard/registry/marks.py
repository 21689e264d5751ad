"""How gates, aliases and differences are drawn: always a shape and a word beside the colour."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components import status
from dashboard.experiments.units import figure, unit_of
from dashboard.numbers import Delta, delta
from dashboard.registry.standing import Rules, Verdict, value_of
from dashboard.text import plain
from services.actions.gates import GateResult
from services.mirror.models import ModelVersion
from services.mirror.projects import CHAMPION

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_OURS = ("mlops.", "mlflow.")
VERDICTS = ("passed", "failed", "problem", "no gates")


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags people gave, without those engines and client keep."""
    return {key: value for key, value in sorted(tags.items()) if not key.startswith(_OURS)}


def alias(name: str) -> None:
    """Draw an alias as a badge."""
    first = name == CHAMPION
    st.badge(
        plain(name, 40),
        icon=f":material/{'trophy' if first else 'label'}:",
        color="green" if first else "violet",
    )


def gates(verdict: Verdict) -> None:
    """Draw each gate: its metric, the value and the bound, and whether it holds."""
    st.markdown("**Gates before promotion**")
    if verdict.problem:
        st.error(plain(verdict.problem, 400), icon=":material/rule:")
    elif not verdict.results:
        st.caption(plain(verdict.sentence))
    for gate in verdict.results:
        st.markdown(gate_line(gate))


def gate_line(gate: GateResult) -> str:
    """Return a gate as a line of markdown."""
    look = status.look("passed" if gate.passed else "failed")
    value = "was not logged" if gate.value is None else figure(gate.metric, gate.value)
    unit = unit_of(gate.metric)
    bound = plain(f"{gate.bound} {unit}".strip(), 60)
    return (
        f":{look.colour}[:material/{look.icon}: {look.word}] "
        f"{plain(gate.metric, 80)} **{plain(value)}** :gray[wants {bound}]"
    )


def against(version: ModelVersion, holder: ModelVersion | None, name: str, rules: Rules) -> None:
    """Draw how a version differs from the one it would follow in the metrics that count."""
    if holder is None or holder.version == version.version:
        return
    metrics = dict.fromkeys(m for m in (rules.metric, *rules.gates) if m)
    lines = [line for m in metrics if (line := _difference(m, version, holder, rules))]
    if lines:
        st.markdown(f"**Against {plain(name, 40)} version {holder.version}**")
        st.markdown("\n".join(f"- {line}" for line in lines))


def _difference(
    metric: str, version: ModelVersion, holder: ModelVersion, rules: Rules
) -> str | None:
    value, before = value_of(version, metric), value_of(holder, metric)
    change = delta(value, before, rules.goal_of(metric), unit_of(metric))
    if change is None or value is None or before is None:
        return None
    return (
        f"{plain(metric, 80)} {plain(figure(metric, before))} → "
        f"**{plain(figure(metric, value))}** {coloured(change)}"
    )


def coloured(change: Delta) -> str:
    """Return a difference as markdown, in its colour and with the word for it."""
    return f":{change.colour}[{plain(told(change))}]"


def told(change: Delta) -> str:
    """Return a difference with the word for it."""
    if change.good is None:
        return "the same" if change.text.startswith("±") else change.text
    return f"{change.text} {'better' if change.good else 'worse'}"


def change_cell(change: Delta | None) -> list[str]:
    """Return a difference for a cell of ``change_column``."""
    if change is None:
        return []
    shape = "○" if change.good is None else "▲" if change.good else "▼"
    return [f"{shape} {told(change)}"]


def change_column(label: str, changes: Iterable[Delta | None], why: str = "") -> "ColumnConfig":
    """Return a table column that draws differences in their colours."""
    known = {change_cell(c)[0]: c.colour for c in changes if c is not None}
    return st.column_config.MultiselectColumn(
        label, options=list(known), color=list(known.values()), help=why or None, width=128
    )


def verdict_cell(verdict: Verdict) -> list[str]:
    """Return a verdict for a cell of ``verdict_column``."""
    return status.cell(verdict.state)


def verdict_column(label: str, why: str = "") -> "ColumnConfig":
    """Return a table column that draws verdicts in their colours."""
    drawn = status.column(label, VERDICTS)
    drawn["help"] = why or None
    return drawn


def alias_column(label: str, names: Iterable[str]) -> "ColumnConfig":
    """Return a table column that draws aliases; the champion's is green."""
    known = sorted(set(names))
    return st.column_config.MultiselectColumn(
        label,
        options=[alias_word(name) for name in known],
        color=["green" if name == CHAMPION else "violet" for name in known],
        width=110,
    )


def alias_word(name: str) -> str:
    """Return an alias for a cell."""
    return f"★ {name}" if name == CHAMPION else name
