"""Service levels: what deployments promise, and how they stand with it at the end of the period."""

from datetime import UTC, datetime

from services.objectives import standing
from services.objectives.models import Standing, State, share
from services.reports.models import Asked, Figure, Section, Table, first

SOURCE = "the prediction log, its labels and the objectives in the journal"
_WORDS: dict[State, str] = {
    "missed": "missed", "at risk": "at risk", "unknown": "not known", "met": "met",
}  # fmt: skip
"""The worst first."""
_MOST = 60


def section(asked: Asked) -> Section:
    """Return the section."""
    until = min(asked.window.until, datetime.now(UTC)).timestamp()
    found = standing(asked.home, asked.journal, projects=asked.projects, now=until)
    return Section(
        "levels",
        "Service levels",
        tuple(_counted(found, state) for state in _WORDS) if found else (),
        (),
        (_objectives(found),),
        (
            "Each objective counts over a window of its own that ends with the period, as it is "
            "set now. Where too few asked, or too few labels came, it is not known whether it is "
            "met. Objectives of accuracy have no budget.",
        ),
    )


def _counted(found: tuple[Standing, ...], state: State) -> Figure:
    count = sum(one.state == state for one in found)
    return Figure(f"Objectives {_WORDS[state]}", count, None, SOURCE, standing=True)


def _objectives(found: tuple[Standing, ...]) -> Table:
    order = list(_WORDS)
    rows = [
        (one.name, one.objective.said, _achieved(one), _left(one), _WORDS[one.state], one.said)
        for one in sorted(found, key=lambda one: order.index(one.state))
    ]
    shown, left = first(rows, _MOST)
    columns = ("deployment", "promised", "achieved", "budget left", "state", "how it stands")
    return Table("Objectives", columns, shown, SOURCE, "Nothing is in service.", left)


def _achieved(one: Standing) -> str:
    if one.achieved is None:
        return "not known"
    if one.objective.kind != "accuracy":
        return share(one.achieved)
    between = "" if one.low is None or one.high is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"{one.achieved:.4g}{between}"


def _left(one: Standing) -> str:
    if one.objective.kind == "accuracy":
        return "–"
    return "not known" if one.budget_left is None else f"{one.budget_left * 100:.3g} %"
