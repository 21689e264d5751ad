"""A round of checks: who is due, what each is compared with, and what came of it.

Rounds go one at a time, in a process of their own: what they load (DuckDB, SciPy) is not to stay in
one that runs for weeks. A version that nobody asked since its last check, and that got no label, is
left as it is; once a day it is looked at all the same, for "nobody asks it" is an answer too.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from services.actions.journal import Journal
from services.engines.evidently.adapter import Evidently
from services.engines.registry import build_engines
from services.errors import MlopsError, NotFoundError, PlatformError
from services.home import Home
from services.monitoring import baselines, deployed, primaries, record
from services.monitoring import settings as strictness
from services.monitoring.accuracy import Bound
from services.monitoring.computing import Checked, Monitor
from services.monitoring.deployed import Deployed
from services.monitoring.models import Baseline
from services.monitoring.record import Looked, Record
from services.monitoring.store import VerdictStore
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions import monitoring as log
from services.settings import Settings
from services.telemetry.folder import lock

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow

logger = logging.getLogger(__name__)

COMMAND_LINE = "command line"
_DAY_S = 86_400.0
_PAUSE_S = 0.5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be checked."""

    names: tuple[str, ...] = ()
    """Of endpoints, as ``PROJECT.MODEL``, whether anything is new or not; none: a round over all
    of which something is new."""
    baseline: Baseline | None = None
    """In place of what was chosen for each."""
    report: bool | None = None
    """Whether Evidently writes its report; None: where it is worth its seconds."""
    by: str = COMMAND_LINE
    wait_s: float = 0.0
    """So long another round that is under way is waited for."""
    unless_younger_s: float | None = None
    """Nothing is done where a round began less than so long ago."""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of it."""

    checked: Mapping[Deployed, Checked | MlopsError] = field(default_factory=dict)
    quiet: tuple[Deployed, ...] = ()
    """Of which nothing was new."""
    skipped: str = ""
    """Why nothing was done, as a sentence."""

    @property
    def failed(self) -> dict[Deployed, MlopsError]:
        """Return the checks that failed."""
        return {one: came for one, came in self.checked.items() if isinstance(came, MlopsError)}

    @property
    def said(self) -> str:
        """Return it as a sentence."""
        if self.skipped:
            return self.skipped
        if not self.checked and not self.quiet:
            return "Nothing takes requests, so there is nothing to check."
        done = len(self.checked) - len(self.failed)
        said = f"{_versions(done)} checked"
        said += f", {len(self.quiet)} had nothing new" if self.quiet else ""
        return said + (f", {len(self.failed)} could not be checked." if self.failed else ".")


def run(
    home: Home, asked: Asked, say: Say = lambda _: None, mlflow: "MLflow | None" = None
) -> Round:
    """Check what is due.

    Args:
        home: Where everything is.
        asked: What is to be checked.
        say: Is told how far it is.
        mlflow: Given by tests; else this installation's.

    Raises:
        NotFoundError: A named endpoint takes no requests.
        PlatformError: Another round is under way, or a store cannot be used. It is noted.
    """
    with _locked(home, asked.wait_s, say):
        before = record.read(home)
        began = time.time()
        age_s = began - (before.began or 0.0)
        young = asked.unless_younger_s is not None and 0 <= age_s < asked.unless_younger_s
        if young and not before.failing:
            return Round(skipped=f"A round began {age_s / 60:.0f} min ago ({before.by}).")
        try:
            return _round(home, asked, before, say, mlflow)
        except MlopsError as error:
            if not asked.names:
                with contextlib.suppress(MlopsError):  # of a full disk the first error tells
                    record.failed(home, began, asked.by, error.message, error.hint)
            raise


@contextlib.contextmanager
def _locked(home: Home, wait_s: float, say: Say) -> Iterator[None]:
    end = time.monotonic() + wait_s
    handle: int | None = None
    while handle is None:
        try:
            handle = lock(
                home.run / "monitoring.lock", f"Another check of {home.root} is under way."
            )
        except PlatformError:
            if time.monotonic() >= end:
                raise
            say("It waits for another check to end")
            time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        os.close(handle)


def _round(home: Home, asked: Asked, before: Record, say: Say, mlflow: "MLflow | None") -> Round:
    began = time.time()
    settings = Settings()
    if mlflow is None:
        mlflow = cast("MLflow", _LateMLflow(home, settings))
    answering, copied = _versions_of(home, asked.names), deployed.shadows(home, asked.names)
    with (
        contextlib.closing(Journal.open(settings)) as journal,
        contextlib.closing(VerdictStore(home)) as store,
    ):
        chosen = baselines.all_chosen(journal)
        promised = objectives.said(journal)
        main = primaries.metrics_of({one[0] for one in (*answering, *copied)}, settings)
        chosen_settings, evidently = strictness.all_said(journal), Evidently()
        monitor = Monitor(home, store, mlflow, evidently, say=say)
        checked: dict[Deployed, Checked | MlopsError] = {}
        quiet: list[Deployed] = []
        looked: dict[str, Looked] = {}
        for one in (*answering, *copied):
            known = before.looked.get(record.key_of(*one))
            choice = chosen.get(f"{one[0]}.{one[1]}")
            wanted = asked.baseline or (choice.baseline if choice is not None else Baseline())
            bound = _bound(objectives.of(promised, one[0], one[1]))
            held = strictness.of(chosen_settings, one[0], one[1])
            monitor = Monitor(home, store, mlflow, evidently, held, say)
            at = time.time()
            try:
                due = bool(asked.names) or known is None or one in copied or (
                    (known.bound, known.settings) != (_word(bound), held.as_json())
                )  # fmt: skip
                if known is not None and not due and not _is_due(home, known, wanted, at):
                    quiet.append(one)
                    looked[known.key] = replace(known, at=at)
                    continue
                checked[one] = monitor.check(
                    *one, baseline=wanted, report=asked.report, bound=bound,
                    metric=main.get(one[0]), now=at, shadow=one in copied,
                    versions=max(1, sum(other[:2] == one[:2] for other in answering)),
                )  # fmt: skip
            except MlopsError as error:
                checked[one] = error
            except Exception as error:
                logger.exception("The check of %s failed.", one)
                checked[one] = _defect(error)
            after = replace(
                _looked(one, at, wanted, checked[one], known), bound=_word(bound),
                settings=held.as_json(),
            )  # fmt: skip
            looked[after.key] = after
        monitor.forget(time.time())
    _note(home, asked, began, looked)
    return Round(checked, tuple(quiet))


def _bound(promised: Sequence[Objective]) -> Bound | None:
    """Return what is promised of how right answers are; None: nothing is."""
    mine = (one for one in promised if one.kind == "accuracy")
    return next((Bound(one.metric, one.target) for one in mine), None)


def _word(bound: Bound | None) -> str:
    return "" if bound is None else f"{bound.metric} {bound.value:g}"


class _LateMLflow:
    """MLflow, met when evaluation data is fetched: each version has its own but once."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home, self._settings = home, settings

    def __getattr__(self, name: str) -> object:
        at = self._settings
        return getattr(build_engines(self._home, at.mlflow_url, at.mlflow_port).mlflow, name)


def _versions_of(home: Home, names: Sequence[str]) -> tuple[Deployed, ...]:
    found = deployed.versions(home, names)
    there = {f"{project}.{model}" for project, model, _ in found}
    missing = [name for name in names if name not in there]
    if missing:
        raise NotFoundError(
            f"{missing[0][:200]} takes no requests now, so there is nothing to check.",
            "`mlops deployments` lists what does.",
        )
    return found


def _is_due(home: Home, known: Looked, wanted: Baseline, now: float) -> bool:
    """Return whether a version is compared: something came, or its last check is no answer now.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    at = known.compared_at
    if at is None or known.error or known.fault or dict(known.baseline) != wanted.as_json():
        return True
    if not 0 <= now - at < _DAY_S:  # the clock may have been set back
        return True
    return log.came(home, known.project, known.model, known.version, at)


def _looked(
    one: Deployed, at: float, wanted: Baseline, came: Checked | MlopsError, known: Looked | None
) -> Looked:
    if isinstance(came, MlopsError):
        compared = None if known is None else known.compared_at
        return Looked(*one, at, compared, wanted.as_json(), error=came.message, hint=came.hint)
    fault, hint = ("", "") if came.fault is None else (came.fault.message, came.fault.hint)
    return Looked(*one, at, at, wanted.as_json(), fault=fault, hint=hint)


def _note(home: Home, asked: Asked, began: float, looked: Mapping[str, Looked]) -> None:
    if asked.names:  # what else there is stays as it is now: a failure may be noted meanwhile
        now = record.read(home)
        record.write(home, replace(now, looked={**now.looked, **looked}))
    else:
        record.write(home, Record(began, time.time(), asked.by, looked=looked))


def _defect(error: Exception) -> MlopsError:
    return PlatformError(
        f"A defect of this platform: {type(error).__name__}: {str(error)[:300]}.",
        "The log of the check has the trace; the other deployments are checked all the same.",
    )


def _versions(count: int) -> str:
    return "1 version was" if count == 1 else f"{count} versions were"
