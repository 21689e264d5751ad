"""The loop that writes to each ended run what it used and under which conditions it ran."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from services.errors import EngineRefusedError, InputError, NotFoundError
from services.mirror.ended import Ended, ended_since
from services.mirror.models import Run
from services.mirror.queries import Mirror
from services.telemetry.asking import Question, question_of_run, samples_for
from services.telemetry.models import Telemetry

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
QUALITY = "mlops.energy.quality"
CONDITIONS = "mlops.conditions"

_SETTLE = timedelta(seconds=6)
"""So long after its end a run is looked at: its last sample is then there."""

_LATE = timedelta(minutes=10)
"""So long samples are waited for that an agent may still send."""

_LOOKED_BACK = timedelta(hours=24)


class Tracking(Protocol):
    """What is asked of MLflow; the project is the workspace."""

    def log_batch(
        self, workspace: str, run_id: str, metrics: dict[str, float], tags: dict[str, str], /
    ) -> None:
        """Write metrics and tags of a run in one call."""


class RunUseWatch:
    """Finds runs that ended, and writes their use once; one that cannot be told waits or goes."""

    def __init__(
        self,
        mirror: Mirror,
        telemetry: Telemetry,
        tracking: Tracking,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._mirror = mirror
        self._telemetry = telemetry
        self._tracking = tracking
        self._now = now
        self._change = 0
        self._waiting: dict[str, Ended] = {}

    def turn(self) -> None:
        """Look for newly ended runs and write what can be told of those that wait.

        Raises:
            EngineError: MLflow is away; what waits keeps waiting.
        """
        now = self._now()
        with self._mirror.connect() as connection:
            found, self._change = ended_since(connection, self._change, now - _LOOKED_BACK)
        self._waiting |= {one.run_id: one for one in found}
        for run_id in list(self._waiting):
            if self._settle(run_id, now):
                del self._waiting[run_id]

    def _settle(self, run_id: str, now: datetime) -> bool:
        """Write what one run used; return whether nothing is left to do for it."""
        try:
            run = self._mirror.run(run_id).run
        except NotFoundError:
            return True
        if run.ended_at is None or QUALITY in run.tags or run.ended_at < now - _LOOKED_BACK:
            return True
        if now - run.ended_at < _SETTLE:
            return False
        try:
            written = self._write(run, now)
        except EngineRefusedError as error:
            logger.warning("What run %s used cannot be written: %s", run_id[:64], error)
            return True
        return written

    def _write(self, run: Run, now: datetime) -> bool:
        from services.telemetry.conditions import conditions
        from services.telemetry.run_use import use_of_run

        asked = self._question(run, now)
        late = run.ended_at is None or now - run.ended_at > _LATE
        if asked is None:
            return late  # its machine sends nothing here: somebody else's, nothing is claimed
        samples = samples_for(self._telemetry, asked)
        used = use_of_run(samples, asked.start, asked.end, asked.owner, asked.machine)
        if not used.coverage and not late:
            return False
        tags = used.tags()
        if used.coverage:
            ran_under = conditions(
                samples,
                asked.start,
                asked.end,
                host=asked.host,
                owner=asked.owner,
                machine=asked.machine,
                meant_for_gpu=asked.meant_for_gpu,
            )
            tags[CONDITIONS] = ran_under.to_json()
        self._tracking.log_batch(run.project, run.run_id, used.metrics(), tags)
        return True

    def _question(self, run: Run, now: datetime) -> Question | None:
        try:
            return question_of_run(self._telemetry.hosts(), run, (), now)
        except (NotFoundError, InputError):
            return None
