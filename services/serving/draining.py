"""When a model server that is out of the routes may end: nobody waits for an answer of it."""

from services.serving.versions import Server
from services.serving.world import World

GATEWAY_AWAY_S = 2.0
"""Where no gateway writes figures, so long is waited for requests that may be under way."""


def quiet(name: str, one: Server, world: World, *, others: bool) -> bool:
    """Return whether a model server that is out of the routes has nothing to answer.

    Args:
        name: Its endpoint's.
        one: It.
        world: What was seen in this turn.
        others: Whether others of its version answer on.
    """
    figures = world.figures
    if one.seen is None or one.seen.state != "ready":
        return True
    if figures is None:
        return world.now - (one.dropped_at or 0.0) > GATEWAY_AWAY_S
    if one.dropped_serial is None or figures.serial < one.dropped_serial:
        return False
    if figures.at < (one.dropped_at or 0.0):
        return False
    return others or figures.of(name, one.spec.version).in_flight == 0
