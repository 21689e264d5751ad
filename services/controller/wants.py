"""What pages asked for: curves and artifact listings of runs, fetched when somebody looks."""

import logging
from typing import TYPE_CHECKING

from services.actions.journal import Journal
from services.errors import EngineRefusedError, NotFoundError
from services.mirror.queries import Mirror
from services.mirror.sync import MirrorSync

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Wants:
    """Fulfils wants in order; one that MLflow refuses is dropped, not tried for ever."""

    def __init__(self, journal: Journal, mirror: Mirror, sync: MirrorSync) -> None:
        self._journal = journal
        self._mirror = mirror
        self._sync = sync
        self._fetchers: dict[str, Callable[[str], None]] = {
            "curve": self._curve,
            "artifacts": self._artifacts,
        }

    def turn(self) -> None:
        """Fulfil everything that waits now.

        Raises:
            EngineError: MLflow is away; what waits keeps waiting.
        """
        for number, kind, subject in self._journal.wanted():
            try:
                self._fetchers.get(kind, self._unknown)(subject)
            except (EngineRefusedError, NotFoundError) as error:
                logger.warning("%s of %s cannot be fetched: %s", kind, subject[:100], error)
            self._journal.fulfilled([number])

    def _curve(self, subject: str) -> None:
        run_id, _, key = subject.partition("/")
        self._sync.read_curve(self._mirror.run(run_id).run.project, run_id, key)

    def _artifacts(self, subject: str) -> None:
        self._sync.read_artifacts(self._mirror.run(subject).run.project, subject)

    @staticmethod
    def _unknown(subject: str) -> None:
        logger.warning("A page asked for something nobody fetches: %s", subject[:100])
