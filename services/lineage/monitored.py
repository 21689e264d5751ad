"""Monitoring as lineage asks it: verdicts, the alerts in the journal, and what answered them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.actions.journal import Journal
from services.alerting import store as alerts
from services.alerting.models import Alert, kind_of
from services.alerting.rules import drift
from services.errors import NotFoundError
from services.home import Home
from services.lineage.sources.watched import Judged, Proposed, Raised
from services.monitoring import periods
from services.monitoring.store import Summary, VerdictStore
from services.retraining import store as retraining
from services.retraining.models import Proposal

_EACH = 200
"""Alerts of one kind on one model, and retrainings of one alert, that are looked through."""


@dataclass(frozen=True, slots=True)
class Monitored:
    """What monitoring keeps of an installation.

    An alert of drift rests on the verdict that raised it and on the newest one that says so still:
    the hours between say the same.
    """

    journal: Journal
    verdict_store: Callable[[], VerdictStore | None]
    """Opened when it is first asked; None: nothing was ever checked."""

    def verdicts(
        self, project: str, model: str, version: int, most: int
    ) -> tuple[Sequence[Judged], int]:
        """Return the verdicts with which something began or ended, and how many there are in all.

        Raises:
            PlatformError: The verdicts cannot be read.
        """
        store = self.verdict_store()
        if store is None:
            return (), 0
        found, total = periods.turns(store, project, model, version, most)
        return tuple(map(_judged, found)), total

    def verdict(self, name: str) -> Judged | None:
        """Return one verdict.

        Raises:
            PlatformError: The verdicts cannot be read.
        """
        found = self._summary(name)
        return None if found is None else _judged(found)

    def _summary(self, name: str) -> Summary | None:
        store = self.verdict_store()
        return None if store is None else periods.summary(store, name)

    def alerts(self, verdict: str, most: int) -> tuple[Sequence[Raised], int]:
        """Return the alerts that were open because of a verdict.

        Raises:
            PlatformError: The verdicts or the journal cannot be read.
        """
        found = self._summary(verdict)
        if found is None or found.state != "drifted":
            return (), 0
        key = drift.key_for(found.project, found.model, found.kind)
        kept = alerts.alerts(self.journal, ended=True, key=key, limit=_EACH)
        mine = [one for one in kept if _covers(one, found.computed_at)]
        return tuple(map(self._raised, mine[:most])), len(mine)

    def alert(self, name: str) -> Raised | None:
        """Return one alert.

        Raises:
            PlatformError: The verdicts or the journal cannot be read.
        """
        number = _number(name)
        try:
            return None if number is None else self._raised(alerts.alert(self.journal, number))
        except NotFoundError:
            return None

    def _raised(self, one: Alert) -> Raised:
        how = one.state if one.owner is None or not one.open else f"{one.state} by {one.owner}"
        said = f"{how}, {one.severity}"
        title = one.title or one.key
        return Raised(str(one.id), one.project, title, one.since, said, self._rests_on(one))

    def _rests_on(self, one: Alert) -> tuple[str, ...]:
        newest = one.labels.get("verdict", "")
        if kind_of(one.key) != drift.KIND or not newest:
            return ()
        found, store = self._summary(newest), self.verdict_store()
        if found is None or store is None:
            return (newest,)
        first = periods.drifted_first(
            store, found.project, found.model, found.kind, one.since, found.computed_at
        )
        return tuple(dict.fromkeys((first.id if first else newest, newest)))

    def retrainings(self, alert: str, most: int) -> tuple[Sequence[Proposed], int]:
        """Return the retrainings that answer an alert, and how many there are.

        Raises:
            JournalError: They cannot be read.
        """
        number = _number(alert)
        mine = () if number is None else retraining.of_alert(self.journal, number, _EACH)
        return tuple(map(_proposed, mine[:most])), len(mine)

    def unprompted(
        self, project: str, model: str, version: int, most: int
    ) -> tuple[Sequence[Proposed], int]:
        """Return the retrainings of a version that answer no alert, and how many there are.

        Raises:
            JournalError: They cannot be read.
        """
        kept = retraining.proposals(self.journal, projects=[project], model=model, limit=_EACH)
        mine = [one for one in kept if one.version == version and not one.alerts]
        return tuple(map(_proposed, mine[:most])), len(mine)

    def retraining(self, name: str) -> Proposed | None:
        """Return one retraining.

        Raises:
            JournalError: They cannot be read.
        """
        number = _number(name)
        try:
            found = None if number is None else retraining.proposal(self.journal, number)
        except NotFoundError:
            return None
        return None if found is None else _proposed(found)

    def retraining_of(self, dag: str, run: str) -> Proposed | None:
        """Return the retraining that started a workflow run.

        Raises:
            JournalError: They cannot be read.
        """
        found = retraining.of_workflow(self.journal, dag, run)
        return None if found is None else _proposed(found)


def monitored(journal: Journal, home: Home) -> Monitored:
    """Return what monitoring keeps; its index is opened once, when it is first asked."""
    opened: list[VerdictStore] = []

    def store() -> VerdictStore | None:
        if not opened:
            opened.extend(filter(None, (periods.opened(home),)))
        return opened[0] if opened else None

    return Monitored(journal, store)


def _number(name: str) -> int | None:
    """Return the number that names an alert or a retraining, None when it is none."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) <= 18 else None


def _covers(alert: Alert, at: float) -> bool:
    """Return whether an alert was open at a moment."""
    return alert.since <= at and (alert.resolved_at is None or at <= alert.resolved_at)


def _judged(one: Summary) -> Judged:
    said = one.state if one.severity == "none" else f"{one.state}, {one.severity}"
    return Judged(one.id, one.project, one.model, one.version, one.kind, one.computed_at, said)


def _proposed(one: Proposal) -> Proposed:
    return Proposed(
        str(one.id), one.project, one.model, one.created_at, one.state,
        tuple(map(str, one.alerts)), one.workflow, one.version,
    )  # fmt: skip
