"""One check of one model: window, reference, verdicts, full report; kept when it is done.

The verdict is ours and takes milliseconds. Evidently's report takes seconds and 300 MB, so it is
written when somebody asks, when a verdict changes, and once a day.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from services.engines.evidently.adapter import Evidently
from services.engines.evidently.models import Report
from services.errors import EngineError, MlopsError, PlatformError
from services.home import Home
from services.monitoring import (
    evidently_figures,
    exporting,
    exporting_labels,
    folder,
    hashed,
    labelled,
    reference,
    vectors,
    windows,
)
from services.monitoring.accuracy import Bound
from services.monitoring.labelled import Seen
from services.monitoring.limits import REPORT_DAYS, VERDICT_DAYS
from services.monitoring.metrics import Metric
from services.monitoring.models import Family, Settings, Verdict
from services.monitoring.reference import Baseline, Reference
from services.monitoring.store import VerdictStore, verdict_id
from services.monitoring.verdict import Judged, Rules, judge
from services.monitoring.windows import Window

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow

_DAY_S = 86_400.0
_LOOKED_BACK = 200
"""Checks among which the last that came to something is looked for: a week of them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check came to."""

    verdicts: tuple[Verdict, ...]
    """On inputs, outputs, quality and accuracy."""
    report: Report | None
    """Evidently's; None when none was written."""
    fault: MlopsError | None = None
    """Why the report is missing, or why the evaluation data could not be asked for."""


class Monitor:
    """Checks models."""

    def __init__(
        self,
        home: Home,
        store: VerdictStore,
        mlflow: "MLflow | None" = None,
        evidently: Evidently | None = None,
        settings: Settings | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begin.

        Args:
            home: Where everything is.
            store: Where verdicts are kept.
            mlflow: Has the evaluation data; None: only what was fetched before.
            evidently: Writes full reports; None: nobody does.
            settings: How strictly it judges; the default ones when left out.
            say: Is told how far a check is.
        """
        self._home, self._store, self._mlflow = home, store, mlflow
        self._evidently, self._say = evidently, say
        self._settings = settings or Settings()
        self._rules = Rules(
            alarms_a_day=self._settings.alarms_a_day, threshold=self._settings.threshold
        )

    def forget(self, now: float) -> None:
        """Forget verdicts older than ``VERDICT_DAYS`` and reports older than ``REPORT_DAYS``.

        Raises:
            PlatformError: They cannot be forgotten; the next time they are.
        """
        self._store.prune(now - VERDICT_DAYS * _DAY_S)
        self._store.prune_reports(now - REPORT_DAYS * _DAY_S)
        folder.drop_reports(self._home, now - REPORT_DAYS * _DAY_S)

    def check(
        self,
        project: str,
        model: str,
        version: int,
        *,
        baseline: Baseline | None = None,
        report: bool | None = None,
        bound: Bound | None = None,
        metric: Metric | None = None,
        now: float | None = None,
        shadow: bool = False,
        versions: int = 1,
    ) -> Checked:
        """Look at what came since the last check, and keep the verdicts.

        Args:
            project: Of the model.
            model: Its name.
            version: The one that is looked at.
            baseline: What it is compared with; ``auto`` when left out.
            report: Whether Evidently writes its report; None: where it is worth its seconds.
            bound: What is promised of how right it is; None: nothing is.
            metric: What that is measured by where nothing is promised; None: what labels give.
            now: The end of the window, seconds since 1970.
            shadow: Whether it answers nobody: copies of requests are looked at.
            versions: How many of the deployment answer: they share its false alarms.

        Raises:
            PlatformError: The log cannot be read, or the verdicts cannot be kept.
        """
        rules = replace(self._rules, versions=versions)
        at = time.time() if now is None else now
        wanted = baseline or Baseline()
        last = self._looked_at(project, model, version)
        self._say(f"Predictions of version {version} of {model} are read and compared")
        fault: MlopsError | None
        chosen, window, fault = self._chosen(
            project, model, version, wanted, last, at, shadow=shadow
        )
        mine = self._home, project, model
        metric = metric if bound is None else bound.metric
        seen = labelled.read(*mine, version, at, chosen, metric=metric, shadow=shadow)
        window = replace(window, table=vectors.beside(*mine, window.table, shadow=shadow))
        if chosen is not None:
            chosen = replace(chosen, table=vectors.beside(*mine, chosen.table))
        judged = self._judged(chosen, window, wanted, seen, rules)
        judged.append(seen.judged(bound, rules))
        of_labels = seen.window.since, seen.window.until
        of = project, model, version
        verdicts = _verdicts(judged, of, window, chosen, at, self._settings)
        written = None
        wanted_report = report
        if report is None:
            wanted_report = self._wants_report(verdicts, at, fresh=window.fresh > 0)
        if chosen is not None and len(window.table) and wanted_report:
            written, failed = self._reported(verdicts[0], chosen, window, of_labels)
            fault = failed or fault
        if written is None:
            self._store.record(verdicts)
            return Checked(tuple(verdicts), None, fault)
        path = self._path(verdicts[0])
        named = [one.with_report(path) for one in verdicts]
        try:
            self._store.record(named)
        except PlatformError as error:  # the report took the room: a verdict matters more
            folder.drop_report(self._home, path)
            self._store.record(verdicts)
            return Checked(tuple(verdicts), None, error)
        return Checked(tuple(named), written, fault)

    def _looked_at(self, project: str, model: str, version: int) -> float | None:
        """Return until when predictions are judged: what came to nothing is looked at again."""
        found = self._store.history(project, model, "data", version=version, limit=_LOOKED_BACK)
        known = next((one for one in reversed(found) if one.state != "unknown"), None)
        if known is not None:
            return known.until
        return found[0].since if found else None

    def _chosen(
        self,
        project: str,
        model: str,
        version: int,
        wanted: Baseline,
        last: float | None,
        at: float,
        *,
        shadow: bool,
    ) -> tuple[Reference | None, Window, MlopsError | None]:
        """Return the reference, the window, and why the evaluation data could not be asked for."""
        of = self._home, project, model
        chosen, no_data, fault = self._logged(project, model, version, wanted)
        window = windows.read(*of, version, at, last, shadow=shadow)
        if wanted.kind == "auto" and (chosen is None or hashed.is_hashed(window.table)):
            # Not while MLflow is away: another baseline for an hour would look like drift.
            chosen = None if fault else reference.first(*of, version)
        elif wanted.kind == "first":
            chosen = reference.first(*of, version)
        elif wanted.kind == "window":
            chosen = reference.of_window(*of, wanted.since or 0.0, wanted.until or at, version)
        elif wanted.kind == "season":
            chosen = reference.season(*of, version, window.since or at - 3600.0, at, wanted)
        if chosen is not None and chosen.until is not None:
            window = windows.read(*of, version, at, last, chosen.until, shadow=shadow)
        no_data |= set(self._settings.ignored)
        return chosen.leaving_out(no_data) if chosen is not None else None, window, fault

    def _logged(
        self, project: str, model: str, version: int, wanted: Baseline
    ) -> tuple[Reference | None, frozenset[str], MlopsError | None]:
        """Return what training logged, if it is wanted, which of it is no data, and why not."""
        asked = self._home, self._mlflow, project, model, version
        nothing = frozenset[str]()
        if wanted.kind not in ("auto", "evaluation"):
            try:
                return None, reference.skipped(*asked), None
            except MlopsError as error:  # this baseline is there without it
                return None, nothing, error
        try:
            found = reference.evaluation(*asked)
        except EngineError as error:
            return None, nothing, error
        return found, found.ignored if found is not None else nothing, None

    def _judged(
        self,
        chosen: Reference | None,
        window: Window,
        wanted: Baseline,
        seen: Seen,
        rules: Rules,
    ) -> list[Judged]:
        if chosen is None:
            return [_unknown(kind, _nothing_to_compare(wanted)) for kind in _KINDS]
        if not len(window.table):
            return [_unknown(kind, _NOBODY) for kind in _KINDS]
        return judge(chosen, window.table, rules, seen.truth)

    def _wants_report(self, verdicts: Sequence[Verdict], at: float, *, fresh: bool) -> bool:
        """Return whether a report is worth its seconds: the day's first, and at each change.

        Where no row is ``fresh`` it would say the same as the last one, if that is there.
        """
        one = verdicts[0]
        mine = one.project, one.model
        since = at - REPORT_DAYS * _DAY_S
        before = self._store.history(*mine, "data", since=since, version=one.version)
        written = [summary.computed_at for summary in before if summary.report]
        if not written or not fresh:
            return not written
        if max(written) < at - _DAY_S:
            return True
        now = {verdict.kind: verdict.severity for verdict in verdicts}
        latest = self._store.latest(*mine, by_version=True)
        return any(
            now.get(summary.kind) != summary.severity
            for summary in latest
            if summary.version == one.version
        )

    def _reported(
        self,
        verdict: Verdict,
        chosen: Reference,
        window: Window,
        of_labels: tuple[float, float],
    ) -> tuple[Report | None, MlopsError | None]:
        """Have Evidently write its report; a verdict stands without it.

        ``of_labels``: the stretch of time of which answers are shown beside their labels.
        """
        made = exporting.tables(chosen, window.table)
        if self._evidently is None or not made.columns:
            return None, None
        self._say(f"Evidently writes the report of version {verdict.version} of {verdict.model}")
        try:
            with tempfile.TemporaryDirectory(prefix="mlops-monitoring-") as place:
                of = verdict.project, verdict.model, verdict.version
                found = exporting_labels.read(self._home, *of, *of_labels)
                beside = exporting_labels.tables(found, chosen)
                asked = exporting.question(self._home, made, verdict, Path(place), *beside)
                report = self._evidently.report(asked)
            evidently_figures.keep(asked, made, report, verdict.computed_at)
        except MlopsError as error:
            folder.drop_report(self._home, self._path(verdict))
            return None, error
        except OSError as error:
            folder.drop_report(self._home, self._path(verdict))
            return None, folder.not_written(folder.base(self._home), error)
        return report, None

    def _path(self, verdict: Verdict) -> str:
        reports = folder.reports(self._home, verdict.project, verdict.model, verdict.computed_at)
        return str((reports / f"{verdict.id}.html").relative_to(folder.base(self._home)))


_KINDS: tuple[Family, ...] = ("data", "prediction", "quality")
_NOBODY = "Nobody asked it in the last seven days, so there is nothing to compare."


def _unknown(kind: Family, said: str) -> Judged:
    return Judged(kind, (), None, "none", "unknown", said)


def _verdicts(
    judged: Sequence[Judged],
    of: tuple[str, str, int],
    window: Window,
    chosen: Reference | None,
    at: float,
    settings: Settings,
) -> list[Verdict]:
    said, left_out = (chosen.said, sorted(chosen.ignored)) if chosen else ("", [])
    held = {**settings.as_json(), "ignored": left_out}
    return [
        Verdict(
            verdict_id(at), *of, one.kind, at, said, window.since, window.until,
            len(window.table), one.columns, one.share, one.severity, one.state, one.said,
            held_to=held, figure=one.figure,
        )
        for one in judged
    ]  # fmt: skip


def _nothing_to_compare(wanted: Baseline) -> str:
    coming = f"its first {reference.FIRST:,} rows are still coming in"
    if wanted.kind == "auto":
        return (
            "There is nothing to compare with yet: its training logged no evaluation data, and "
            f"{coming}. They become the baseline; or choose a stretch of time as baseline."
        )
    why = {
        "evaluation": "its training logged no evaluation data (mlops_client.reference)",
        "first": coming,
        "window": "the stretch of time that was chosen has no predictions",
        "season": "the same hours of the weeks before have no predictions",
    }[wanted.kind]
    return f"There is nothing to compare with: {why}. Another baseline can be chosen."
