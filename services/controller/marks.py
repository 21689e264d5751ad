"""What answers requests and came from what is marked as bad, looked at by the rules of alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.actions.journal import Journal
from services.alerting.models import Event
from services.alerting.rules import lineage
from services.alerting.rules.lineage import Answering
from services.data.service import DataService
from services.errors import NotFoundError
from services.home import Home
from services.lineage import flagged
from services.lineage.asking import Lineage
from services.lineage.flagged import Flags
from services.lineage.models import Mark, Ref, numbered
from services.lineage.sources.serving import standing
from services.mirror.queries import Mirror
from services.serving import history, store
from services.serving.models import Endpoint

_KEPT_S = 30.0
"""Runs come and go every second, and what came of a mark takes a look at all of them."""


@dataclass(slots=True)
class MarkedLive:
    """Remembers what came of the marks as long as nothing changed."""

    home: Home
    journal: Journal
    mirror: Mirror
    data: DataService | None = None
    """None: this installation's, met when something is marked."""
    _marks: tuple[Mark, ...] | None = None
    _change: int = 0
    _at: float = 0.0
    _flags: Mapping[Ref, Flags] = field(default_factory=dict)
    _unknown: tuple[str, ...] = ()

    def events(self, now: float, open_keys: frozenset[str]) -> Sequence[Event]:
        """Return what is to be said of what is in service.

        Raises:
            PlatformError: The mirror, the journal or a data repository cannot be read.
        """
        self.data = self.data or DataService.here()
        here = Lineage(self.home, self.mirror, self.journal, self.data)
        marks = here.marks()
        if not marks and not open_keys:
            return ()
        self._look(here, tuple(marks.values()), now)
        found = [each for one in store.endpoints(self.journal) for each in self._answering(one)]
        return lineage.events(found, now, open_keys, self._unknown)

    def _look(self, here: Lineage, marks: tuple[Mark, ...], now: float) -> None:
        change = self.mirror.change()
        same = change == self._change and not self._unknown  # what was away may be back
        if marks == self._marks and (same or 0 <= now - self._at < _KEPT_S):
            return
        spoilt = here.spoilt()
        self._flags = flagged.of_versions(spoilt)
        self._unknown = tuple(said for one in spoilt for said in one.radius.unknown)
        self._marks, self._change, self._at = marks, change, now

    def _answering(self, one: Endpoint) -> list[Answering]:
        beside = None if one.rollout is None else one.rollout.target
        numbers = [target.version for target in (one.live, beside) if target is not None]
        return [
            self._seen(one, number, word)
            for number in dict.fromkeys(numbers)
            if (word := standing(one, number)) in {"live", "canary", "shadow"}
        ]

    def _seen(self, one: Endpoint, number: int, word: str) -> Answering:
        flags = tuple(each for each in self._suspect(one, number) if each.holds)
        earlier = None
        if flags and word == "live":
            before = history.earlier_live(self.journal, one.name, number)
            clean = (each for each in before if not self._suspect(one, each))
            earlier = next((each for each in clean if self._is_known(one, each)), None)
        return Answering(
            one.project, one.model, number, word, flags, earlier, self._is_known(one, number)
        )

    def _suspect(self, one: Endpoint, number: int) -> Flags:
        return self._flags.get(numbered("version", one.project, one.model, number), ())

    def _is_known(self, one: Endpoint, number: int) -> bool:
        try:
            model = self.mirror.model(one.project, one.model)
        except NotFoundError:
            return False
        return any(each.version == number for each in model.versions)
