"""Verdicts of monitoring: drift of data and predictions, data quality, accuracy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

from services.alerting.models import Event, Severity, key_of

KIND = "drift"
_SEVERITY: Mapping[str, Severity] = {
    "none": "info", "low": "info", "medium": "warning", "high": "critical",
}  # fmt: skip
_TITLE = {
    "data": "The inputs of {} drifted",
    "prediction": "The predictions of {} drifted",
    "quality": "The data that {} gets is not as it was",
    "accuracy": "{} predicts worse",
}
_SHOWN = 5


class ColumnSeen(Protocol):
    """One column of a verdict."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def state(self) -> str:
        """Return steady, drifted, missing and the like."""

    @property
    def effect(self) -> float | None:
        """Return how far it moved, in the unit of the measure."""

    @property
    def threshold(self) -> float | None:
        """Return from which effect on it counts."""

    @property
    def importance(self) -> float | None:
        """Return its share of the model's answer: 0 to 1."""

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
    return key_of(KIND, verdict.project, verdict.model, verdict.kind)


def events(verdicts: Iterable[VerdictSeen]) -> tuple[Event, ...]:
    """Return what is to be said of models; of several verdicts on one the newest counts.

    ``too few`` and ``unknown`` end nothing: that is no evidence.
    """
    newest: dict[str, VerdictSeen] = {}
    for verdict in verdicts:
        before = newest.get(key(verdict))
        if before is None or verdict.computed_at >= before.computed_at:
            newest[key(verdict)] = verdict
    return tuple(_event(name, one) for name, one in newest.items())


def _event(name: str, verdict: VerdictSeen) -> Event:
    if verdict.state == "steady":
        return Event(name, verdict.computed_at, "ok", said=verdict.said)
    if verdict.state != "drifted":
        return Event(name, verdict.computed_at, "unknown", said=verdict.said)
    moved = _moved(verdict.columns)
    model = f"{verdict.project}/{verdict.model}"
    evidence = [column.said for column in moved[:_SHOWN] if column.said]
    return Event(
        name,
        verdict.computed_at,
        "firing",
        _SEVERITY.get(verdict.severity, "warning"),
        verdict.project,
        title=_TITLE.get(verdict.kind, "{} drifted").format(verdict.model),
        said=verdict.said,
        cause=_cause(moved),
        suggestion=f"See what changed where {model} is asked; if it stays so, retrain it on newer "
        f"data: `mlops run {verdict.project}`.",
        link=f"/monitoring?deployment={quote(f'{verdict.project}.{verdict.model}')}"
        f"&verdict={quote(verdict.id)}",
        labels={
            "project": verdict.project, "model": verdict.model, "version": str(verdict.version),
            "endpoint": f"{verdict.project}.{verdict.model}", "verdict": verdict.id,
        },
        evidence=(*evidence, *((verdict.report,) if verdict.report else ())),
    )  # fmt: skip


def _moved(columns: Sequence[ColumnSeen]) -> list[ColumnSeen]:
    """Return the columns that are not as they were, the one with most weight first."""
    moved = [one for one in columns if one.state not in {"steady", "too few"}]
    return sorted(moved, key=lambda one: (-_weight(one), one.name))


def _weight(column: ColumnSeen) -> float:
    over = (column.effect or 0.0) / (column.threshold or 1.0)
    return over * (1.0 if column.importance is None else column.importance)


def _cause(moved: Sequence[ColumnSeen]) -> str:
    if not moved:
        return ""
    first, rest = moved[0], len(moved) - 1
    share = ""
    if first.importance is not None:
        share = f", with {first.importance * 100:.0f} % of the model's answer"
    more = f"; {rest} more column{'s' if rest != 1 else ''} with it" if rest else ""
    return f"The column {first.name} is {first.state}{share}{more}."
