"""All that leaves as OpenLineage events: what is new, and what a thread shows."""

from collections.abc import Iterator, Sequence

from services.actions.journal import Journal
from services.home import Home
from services.lineage.models import Kind, Ref
from services.lineage.monitored import monitored
from services.lineage.openlineage import Event
from services.lineage.source import of_kind
from services.lineage.told import collected, retrainings, runs, serving, verdicts, workflows
from services.lineage.told.points import Store
from services.mirror.queries import Mirror


def stores(home: Home, mirror: Mirror, journal: Journal) -> tuple[Store, ...]:
    """Return the stores that are told of, what comes first in a thread first."""
    watched = monitored(journal, home)
    return (
        workflows.Workflows(mirror, journal),
        runs.Begun(mirror),
        runs.Ended(mirror),
        runs.Registered(mirror),
        serving.Serving(journal),
        collected.Collectings(journal),
        verdicts.Verdicts(watched),
        retrainings.Retrainings(watched),
    )


def of_things(
    home: Home, mirror: Mirror, journal: Journal, things: Sequence[Ref]
) -> Iterator[Event]:
    """Yield the events of things, what comes first in a thread first.

    Of data it is told what was collected into them; of models, versions and alerts nothing.

    Raises:
        MlopsError: What is asked of them cannot be read.
    """

    def keys(kind: Kind) -> list[str]:
        return [one.key for one in of_kind(things, kind)]

    places = [(dag, run) for dag, _, run in (key.partition("/") for key in keys("workflow"))]
    yield from workflows.events(mirror, journal, places)
    yield from runs.events(mirror, keys("run"))
    yield from serving.events(journal, [one.numbered for one in of_kind(things, "deployment")])
    yield from collected.events(journal, keys("data"))
    watched = monitored(journal, home)
    yield from verdicts.events(watched, keys("verdict"))
    asked = [int(key) for key in keys("retraining") if key.isdecimal()]
    yield from retrainings.events(watched, asked)
