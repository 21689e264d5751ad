"""Verdicts of monitoring: drift of data and predictions, data quality, accuracy.

Of a model several versions may answer (a canary): what one of them says counts for the model, the
worst first, so that a canary that is well hides no live version that is not.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote, urlencode

from services.alerting.models import Event, Severity, key_of
from services.alerting.rules.unchecked import Unchecked, said
from services.monitoring import weights
from services.monitoring.weights import Weighed

KIND = "drift"
REPORT = "Evidently's full report: "
"""So begins the piece of evidence that is no column."""
TWIN = "accuracy-of"
"""The label of what is said of a deployment's accuracy, whoever says it: of two alerts that carry
it one explains the other, and people are told once."""
_SEVERITY: Mapping[str, Severity] = {
    "none": "info", "low": "info", "medium": "warning", "high": "critical",
}  # fmt: skip
_RANK = {name: number for number, name in enumerate(_SEVERITY)}
_TITLE = {
    "data": "The inputs of {} drifted",
    "prediction": "The predictions of {} drifted",
    "quality": "The data that {} gets is not as it was",
    "accuracy": "{} predicts worse",
}
_PARTS = {"data": "drift", "prediction": "drift", "quality": "quality", "accuracy": "accuracy"}
"""Of the page Monitoring, that shows what a verdict of a kind rests on."""
_SHOWN = 5


class ColumnSeen(Weighed, Protocol):
    """One column of a verdict."""

    @property
    def n_current(self) -> int:
        """Return how many values were compared."""

    @property
    def said(self) -> str:
        """Return the sentence about it."""


class VerdictSeen(Protocol):
    """What monitoring says of a window of predictions."""

    @property
    def id(self) -> str:
        """Return its id."""

    @property
    def project(self) -> str:
        """Return whose model it is."""

    @property
    def model(self) -> str:
        """Return which model."""

    @property
    def version(self) -> int:
        """Return which version of it."""

    @property
    def kind(self) -> str:
        """Return data, prediction, quality or accuracy."""

    @property
    def computed_at(self) -> float:
        """Return when, in seconds since 1970."""

    @property
    def severity(self) -> str:
        """Return none, low, medium or high."""

    @property
    def state(self) -> str:
        """Return steady, drifted, too few or unknown."""

    @property
    def said(self) -> str:
        """Return the sentence about it."""

    @property
    def report(self) -> str | None:
        """Return where its full report is kept."""

    @property
    def columns(self) -> Sequence[ColumnSeen]:
        """Return what it says of each column."""


def key(verdict: VerdictSeen) -> str:
    """Return the key of the alert of a verdict: of a model, whatever its version."""
    return key_for(verdict.project, verdict.model, verdict.kind)


def key_for(project: str, model: str, kind: str) -> str:
    """Return the same from its parts."""
    return key_of(KIND, project, model, kind)


def events(
    verdicts: Iterable[VerdictSeen],
    open_keys: Collection[str] = (),
    deployed: Collection[str] | None = None,
    now: float = 0.0,
    unchecked: Mapping[str, Sequence[Unchecked]] = MappingProxyType({}),
) -> tuple[Event, ...]:
    """Return what is to be said of models; of several verdicts on one version the newest counts.

    ``too few`` and ``unknown`` end nothing: that is no evidence. Nor do steady ones while another
    version that answers was not checked.

    Args:
        verdicts: On the versions that answer now.
        open_keys: Keys of the alerts of this kind that are open.
        deployed: Names (``PROJECT.MODEL``) of what is in service; None: not known.
        now: Seconds since 1970.
        unchecked: By name (``PROJECT.MODEL``) what answers and has no verdict at all.
    """
    newest: dict[tuple[str, int], VerdictSeen] = {}
    for verdict in verdicts:
        of = key(verdict), verdict.version
        if of not in newest or verdict.computed_at >= newest[of].computed_at:
            newest[of] = verdict
    worst: dict[str, VerdictSeen] = {}
    for (name, _), verdict in newest.items():
        if name not in worst or _badness(verdict) > _badness(worst[name]):
            worst[name] = verdict
    waiting = {
        key_of(KIND, *name.split(".", 1), kind): those[0]
        for name, those in unchecked.items()
        for kind in _TITLE
        if those
    }
    blind = {
        name: Event(name, now, "unknown", said=said(one, now))
        for name, one in waiting.items()
        if name in open_keys and (name not in worst or worst[name].state == "steady")
    }
    told = (_event(name, one) for name, one in worst.items() if name not in blind)
    found = (*told, *blind.values())
    if deployed is None:
        return found
    there = {key_of(KIND, *name.split(".", 1), kind) for name in deployed for kind in _TITLE}
    gone = sorted(set(open_keys) - there)
    over = (Event(name, now, "ok", said="It was taken out of service.") for name in gone)
    return (*found, *over)


def _badness(verdict: VerdictSeen) -> tuple[int, int, float]:
    state = {"steady": 0, "drifted": 2}.get(verdict.state, 1)
    return state, _RANK.get(verdict.severity, 0), verdict.computed_at


def _full_report(verdict: VerdictSeen) -> tuple[str, ...]:
    if not verdict.report:
        return ()
    return (f"{REPORT}/monitoring/report/{quote(verdict.id)}",)


def _event(name: str, verdict: VerdictSeen) -> Event:
    if verdict.state == "steady":
        return Event(name, verdict.computed_at, "ok", said=verdict.said)
    if verdict.state != "drifted":
        return Event(name, verdict.computed_at, "unknown", said=verdict.said)
    moved = _moved(verdict.columns)
    endpoint = f"{verdict.project}.{verdict.model}"
    evidence = [_evidence(column) for column in moved[:_SHOWN]]
    twin = {TWIN: endpoint} if verdict.kind == "accuracy" else {}
    return Event(
        name,
        verdict.computed_at,
        "firing",
        _SEVERITY.get(verdict.severity, "warning"),
        verdict.project,
        title=_TITLE.get(verdict.kind, "{} drifted").format(verdict.model),
        said=f"Version {verdict.version}: {verdict.said}",
        cause=_cause(moved),
        suggestion=f"`mlops drift show {endpoint}` shows then and now; see what changed where it "
        f"is asked. If it stays so, have it retrained: `mlops retrain list --project "
        f"{verdict.project}` shows what is proposed.",
        link=_link(verdict, moved),
        explains=tuple(f"{name}:{value}" for name, value in twin.items()),
        labels={
            "project": verdict.project, "model": verdict.model, "version": str(verdict.version),
            "endpoint": endpoint, "verdict": verdict.id, **twin,
        },
        evidence=(*evidence, *_full_report(verdict)),
    )  # fmt: skip


def _link(verdict: VerdictSeen, moved: Sequence[ColumnSeen]) -> str:
    """Return the page at the part, and the column, that show what is said."""
    shown = {
        "deployment": f"{verdict.project}.{verdict.model}", "verdict": verdict.id,
        "part": _PARTS.get(verdict.kind), "column": moved[0].name if moved else None,
    }  # fmt: skip
    return f"/monitoring?{urlencode({name: value for name, value in shown.items() if value})}"


def _evidence(column: ColumnSeen) -> str:
    """Return a column's sentence, with its share of the model's answer where that is known."""
    said = column.said or f"{_plain(column)} is {column.state} ({column.n_current:,} values)."
    if column.importance is None:
        return said
    return f"{said} {column.importance * 100:.0f} % of the model's answer goes with it."


def _plain(column: ColumnSeen) -> str:
    return column.name.partition(".")[2] or column.name


def _moved(columns: Sequence[ColumnSeen]) -> list[ColumnSeen]:
    """Return the columns that are not as they were, the one with most weight first."""
    return [one for one in weights.ordered(columns) if one.state not in {"steady", "too few"}]


def _cause(moved: Sequence[ColumnSeen]) -> str:
    if not moved:
        return ""
    first, rest = moved[0], len(moved) - 1
    share = ""
    if first.importance is not None:
        share = f", with {first.importance * 100:.0f} % of the model's answer"
    more = f"; {rest} more column{'s' if rest != 1 else ''} with it" if rest else ""
    return f"The column {_plain(first)} is {first.state}{share}{more}."
