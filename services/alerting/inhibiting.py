"""Which alert explains which: while an engine is down, what comes of it is kept quiet."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.alerting.models import Alert, rank


def inhibited(alerts: Iterable[Alert]) -> dict[str, str]:
    """Return key → key of the alert that explains it, of those that have not ended.

    An alert explains others while its last evidence said that it fires, acknowledged and silenced
    or not; one that nobody can see now goes on explaining. Where some explain each other and nobody
    else explains them, one stays: the worst; of these one that people were told of as it is, so
    that nobody is told twice; one that is seen now; the oldest. Whoever is inhibited is so, link by
    link, by one that is not.
    """
    present = sorted((one for one in alerts if one.open), key=_first)
    web = _web(present)
    place = {one.key: number for number, one in enumerate(present)}
    found: dict[str, str] = {}
    seen: set[str] = set()
    # Who is finished last is explained by nobody, or by those alone that it explains in turn.
    for key in reversed(list(web.finished(one.key for one in present))):
        if key not in seen:
            circle = web.reached(key, web.explained, web.explainers)
            root = min((key, *circle), key=place.__getitem__)
            by = web.reached(root, web.explains, web.carriers)
            found |= {name: why for name, why in by.items() if name not in seen}
            seen |= {root, *by}
    return found


def _first(alert: Alert) -> tuple[int, bool, bool, float, str]:
    told = any(rank(one.severity) >= rank(alert.severity) for one in alert.told.values())
    return (-rank(alert.severity), not told, alert.condition != "firing", alert.since, alert.key)


Links = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Web:
    """Alerts and the labels between them: as many links as there are labels, not alerts squared."""

    explains: Links
    """Key → the labels it explains."""
    carriers: Links
    """Label → the keys that carry it."""
    explained: Links
    """Key → the labels it carries that somebody explains."""
    explainers: Links
    """Label → the keys that explain it."""

    def reached(self, start: str, out: Links, over: Links) -> dict[str, str]:
        """Return who is reached from a key, without itself, and from whom."""
        found: dict[str, str] = {}
        labels: set[str] = set()
        line = deque([start])
        while line:
            key = line.popleft()
            for label in out.get(key, ()):
                if label in labels:
                    continue
                labels.add(label)
                for other in over.get(label, ()):
                    if other != start and other not in found:
                        found[other] = key
                        line.append(other)
        return found

    def finished(self, keys: Iterable[str]) -> Iterator[str]:
        """Yield keys in the order in which a depth-first walk leaves them."""
        seen: set[str] = set()
        labels: set[str] = set()
        for start in keys:
            if start in seen:
                continue
            seen.add(start)
            path = [(start, self._next(start, labels))]
            while path:
                key, ways = path[-1]
                following = next((one for one in ways if one not in seen), None)
                if following is None:
                    yield key
                    path.pop()
                else:
                    seen.add(following)
                    path.append((following, self._next(following, labels)))

    def _next(self, key: str, labels: set[str]) -> Iterator[str]:
        for label in self.explains.get(key, ()):
            if label not in labels:
                labels.add(label)
                yield from self.carriers.get(label, ())


def _web(present: Sequence[Alert]) -> _Web:
    explains: dict[str, Sequence[str]] = {}
    explainers: dict[str, list[str]] = defaultdict(list)
    for one in present:
        explains[one.key] = tuple(dict.fromkeys(one.explains))
        for label in explains[one.key]:
            explainers[label].append(one.key)
    carriers: dict[str, list[str]] = defaultdict(list)
    explained: dict[str, Sequence[str]] = {}
    for one in present:
        explained[one.key] = tuple(sorted(one.tags & explainers.keys()))
        for label in explained[one.key]:
            carriers[label].append(one.key)
    return _Web(explains, carriers, explained, explainers)
