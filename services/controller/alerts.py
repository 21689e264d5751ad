"""The loop of alerts: rules look, events become alerts, alerts become messages.

Rules look every few seconds; what others hand over is read each turn. Whatever is down, the rest
goes on: a rule that cannot look makes its alerts unknown, and ends none.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.actions.journal import Journal
from services.alerting import asking, deciding, looking, store
from services.alerting.looking import Rule
from services.alerting.models import Event, Policy
from services.alerting.rules import (
    backlog,
    disk,
    drift,
    engines,
    labels,
    lineage,
    monitoring,
    objectives,
    reports,
    retraining,
    runs,
    serving,
    unchecked,
)
from services.alerting.rules.drift import VerdictSeen
from services.alerting.rules.monitoring import Rounds
from services.alerting.rules.unchecked import Unchecked
from services.causes.following import Follower
from services.controller.labels import LabelWatch
from services.controller.marks import MarkedLive
from services.controller.monitoring import answering
from services.errors import NotFoundError
from services.home import Home
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.workflow_queries import Workflows
from services.monitoring import record
from services.objectives import standing
from services.objectives.accuracies import Accuracies
from services.objectives.counting import Counter
from services.platform import public_address, room, status
from services.predictions.folder import Folder
from services.predictions.segments import abandoned
from services.reports import schedules
from services.retraining import store as retrainings
from services.serving import figures
from services.serving import status as serving_status
from services.serving import store as deployments

if TYPE_CHECKING:
    from services.mirror.workflow_models import WorkflowRun

INTERVAL_S = 1.0
RULES_INTERVAL_S = 5.0
SENDING_INTERVAL_S = 0.5
_SHARE = 0.1
"""Of its time the loop decides at most, with thousands of alerts open too; and yet"""
_LONGEST_REST_S = 4.0
"""it never rests longer, for a notification is to come within 15 s."""
_RUNS_S = 7 * 86_400.0
_RUNS = 500
_PRUNED_S = 86_400.0
_KEPT_S = 366 * 86_400.0

WORKFLOW = "platform.monitor"
"""Makes the rounds of checks where there is an Airflow."""
Verdicts = Callable[[], Iterable[VerdictSeen]]


@dataclass(slots=True)
class Sources:
    """What rules look at, each read when its rule is asked."""

    home: Home
    journal: Journal
    mirror: Mirror
    verdicts: Verdicts | None = None
    """The newest verdicts of monitoring; None: nothing monitors here."""
    watched_since: float = field(default_factory=time.time)
    """Since when checks are looked for, in seconds since 1970."""
    _counter: Counter | None = None
    _accuracies: Accuracies | None = None
    _marked: MarkedLive | None = None
    _labels: LabelWatch | None = None

    def rules(self, *, serves: bool) -> tuple[Rule, ...]:
        """Return the rules of this installation; ``serves``: whether models are served at all."""
        of_all = (
            Rule(frozenset({engines.KIND}), self.engines),
            Rule(frozenset({disk.KIND}), self.disks),
            Rule(frozenset({runs.RUN}), self.runs),
            Rule(frozenset({runs.WORKFLOW}), self.workflows),
            Rule(frozenset({reports.KIND}), self.reports),
            Rule(frozenset({retraining.KIND}), self.retrainings),
        )
        of_serving = (
            Rule(frozenset({serving.ENDPOINT}), self.endpoints),
            Rule(frozenset({serving.LOAD}), self.load),
            Rule(objectives.KINDS, self.levels),
            Rule(frozenset({backlog.KIND}), self.backlog),
            Rule(frozenset({labels.KIND}), self.labels),
            Rule(frozenset({lineage.KIND}), self.marks),
        )
        of_drift = (
            Rule(frozenset({drift.KIND}), self.drift),
            Rule(frozenset({monitoring.KIND}), self.checks),
        )
        watched = of_drift if self.verdicts else ()
        return (*of_all, *(of_serving if serves else ()), *watched)

    def engines(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at the engines."""
        seen = status.status(self.home)
        return engines.events(
            seen.engines, now, open_keys, supervised=seen.supervisor_pid is not None
        )

    def disks(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at the disks."""
        rooms = [(str(folder), free) for folder, free in room.free_bytes(self.home)]
        return disk.events(rooms, room.FULL_BYTES, now, open_keys)

    def runs(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at training."""
        since = datetime.fromtimestamp(now, UTC) - timedelta(seconds=_RUNS_S)
        page = self.mirror.runs(RunQuery(since=since, limit=_RUNS))
        return runs.run_events(page.rows, now, open_keys)

    def workflows(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at the newest run of each workflow."""
        since = datetime.fromtimestamp(now, UTC) - timedelta(seconds=_RUNS_S)
        newest: dict[str, WorkflowRun] = {}
        for run in Workflows(self.mirror).runs(limit=_RUNS, since=since):
            newest.setdefault(run.dag_id, run)
        return runs.workflow_events(newest, now, open_keys)

    def reports(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at reports by the calendar."""
        return reports.events(schedules.schedules(self.journal), now, open_keys)

    def retrainings(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at the newest retraining of each model."""
        newest = retrainings.newest(self.journal)
        if not newest and not open_keys:
            return ()
        bad = retraining.ended_badly(newest, now, open_keys)
        ids = sorted({name for one in bad for name in one.alerts})
        about = {one.name: one.version for one in newest}
        live: dict[str, int] = {}
        for project, model, version in answering(self.journal):
            name = f"{project}.{model}"
            if name not in live or version == about.get(name):  # a canary answers, too
                live[name] = version
        policies = retrainings.policies(self.journal)
        answered = asking.by_id(self.journal, ids)
        return retraining.events(newest, policies, answered, live, now, open_keys)

    def _deployed(self) -> list[str]:
        return [one.name for one in deployments.endpoints(self.journal) if one.live is not None]

    def endpoints(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at what is in service."""
        seen = serving_status.read(self.home)
        known = None if seen is None or seen.stale(now) else seen.endpoints
        return serving.endpoint_events(self._deployed(), known, now, open_keys)

    def load(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at what the gateway turns away."""
        return serving.load_events(self._deployed(), figures.read(self.home), now, open_keys)

    def levels(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at the objectives of what is in service."""
        if self._counter is None or self._accuracies is None:
            self._counter, self._accuracies = Counter(self.home), Accuracies(self.home)
        found = standing(
            self.home, self.journal, now=now, counter=self._counter, measured=self._accuracies
        )
        return objectives.events(found, self._deployed(), now, open_keys)

    def backlog(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at predictions that wait to be put into Parquet."""
        del open_keys
        waiting = []
        for path in Folder(self.home).segments():
            with contextlib.suppress(OSError):  # it is in Parquet by now
                handle = abandoned(path)
                if handle is not None:
                    os.close(handle)
                    waiting.append(path.stat().st_mtime)
        return backlog.events(waiting, now)

    def labels(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at labels that fit nothing."""
        if self._labels is None:
            self._labels = LabelWatch(self.home)
        return self._labels.events(self._deployed(), now, open_keys)

    def marks(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at what is in service and came from what is marked as bad."""
        if self._marked is None:
            self._marked = MarkedLive(self.home, self.journal, self.mirror)
        return self._marked.events(now, open_keys)

    def drift(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at the newest verdicts."""
        if self.verdicts is None:
            return ()
        said = tuple(self.verdicts())
        waiting = self._unchecked(said) if open_keys else {}
        return drift.events(said, open_keys, self._deployed(), now, waiting)

    def _unchecked(self, said: Iterable[VerdictSeen]) -> dict[str, list[Unchecked]]:
        """Return what answers and has no verdict, by name, the live version first."""
        seen = record.read(self.home)
        due = unchecked.due(
            seen.began, seen.failed_at if seen.failing else None, self.watched_since
        )
        paused = self._is_paused()
        known = {(one.project, one.model, one.version) for one in said}
        found: dict[str, list[Unchecked]] = {}
        for one in answering(self.journal):
            if one in known:
                continue
            project, model, version = one
            looked = seen.looked.get(record.key_of(*one))
            since = self._since(f"{project}.{model}", version)
            found.setdefault(f"{project}.{model}", []).append(
                Unchecked(version, since, due, paused, looked.error if looked else "")
            )
        return found

    def _since(self, name: str, version: int) -> float | None:
        events = deployments.events(self.journal, name, kinds=("live", "canary"))
        mine = (one.at for one in events if one.version == version)
        return next(mine, None)

    def checks(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Look at how the checks themselves went."""
        seen = record.read(self.home)
        rounds = Rounds(
            seen.ended,
            seen.failed_at if seen.failing else None,
            seen.error,
            seen.hint,
            self.watched_since,
            paused=self._is_paused(),
        )
        return monitoring.events(rounds, seen.looked.values(), self._deployed(), now, open_keys)

    def _is_paused(self) -> bool:
        try:
            return Workflows(self.mirror).workflow(WORKFLOW).paused
        except NotFoundError:
            return False


@dataclass(slots=True)
class AlertWatch:
    """Decides about alerts."""

    home: Home
    journal: Journal
    rules: tuple[Rule, ...]
    policy: Policy = field(default_factory=Policy)
    clock: Callable[[], float] = time.time
    causes: Follower | None = None
    """Finds why; None: events keep what their rules say."""
    public: str = ""
    """Under which address people reach the dashboard; empty: not known."""
    _looked_at: float | None = None
    _pruned_at: float | None = None
    _rests_until: float = 0.0

    def turn(self) -> bool:
        """Look, if it is time, and decide; return whether more waits.

        Raises:
            JournalError: The journal cannot be used.
        """
        now, tick = self.clock(), time.monotonic()
        if tick < self._rests_until:
            return False
        said: tuple[Event, ...] = ()
        if self._is_time(tick):
            with self.journal.read() as connection:
                book = store.book(connection)
            open_keys = [key for key, one in book.items() if one.open]
            heard = looking.heard(self.rules, open_keys, now)
            if self.causes is not None:
                heard = self.causes.explained(heard)
            said = looking.news(heard, book, now)
            self._looked_at = tick
        if self._pruned_at is None or tick - self._pruned_at >= _PRUNED_S:
            store.prune(self.journal, now - _KEPT_S)
            self._pruned_at = tick
        again = deciding.decide(
            self.journal, said, now, self.policy, public_address.before(self.home, self.public)
        ).again
        took = time.monotonic() - tick
        self._rests_until = 0.0 if again else tick + min(took / _SHARE, _LONGEST_REST_S)
        return again

    def _is_time(self, tick: float) -> bool:
        if self._looked_at is None or tick - self._looked_at >= RULES_INTERVAL_S:
            return True
        return self.causes is not None and self.causes.has_news
