"""Whatever is done to an endpoint and its model servers, what is wanted comes true."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from services.serving.figures import VersionFigures
from tests.services.serving.simulated import TURN_S, Simulation, endpoint, target


class Story:
    """One endpoint, and the deeds of people and accidents."""

    def __init__(self) -> None:
        self.made = Simulation(endpoint(live=target(1)))
        self.made.pass_time(5)
        self.version = 1
        self.gap = False
        """Whether it may be without an answer for a while."""

    def deploy(self, fate: str) -> None:
        if self.made.desired and self.made.desired.rollout:
            return  # the journal takes no second one
        self.version += 1
        self.made.bad[self.version] = "" if fate in {"good", "canary"} else fate
        if fate == "canary":
            self.made.deploy(self.version, strategy="canary", share=0.3)
        else:
            self.made.deploy(self.version)

    def promote(self) -> None:
        wish = self.made.desired and self.made.desired.rollout
        if wish:
            self.made.desired = replace(self.made.desired, rollout=replace(wish, promote=True))

    def abort(self) -> None:
        wanted = self.made.desired
        if wanted and wanted.rollout:
            self.gap = self.gap or wanted.live is None
            self.made.desired = replace(wanted, rollout=None) if wanted.live else None

    def kill(self) -> None:
        self.gap = True
        for version in range(1, self.version + 1):
            self.made.kill(version)

    def errors(self) -> None:
        self.gap = self.gap or not (self.made.desired and self.made.desired.live)
        figures = VersionFigures(self.version, total=100, total_errors=90)
        self.made.passing[self.version] = figures

    def room(self) -> None:
        self.made.room = not self.made.room

    def undeploy(self) -> None:
        self.gap = True
        self.made.desired = None

    def wait(self) -> None:
        pass

    def turn(self) -> None:
        had = self.made.answering
        self.made.turn()
        route = self.made.route
        if route is not None:
            assert abs(sum(route.shares.values()) - 1.0) < 1e-9
            assert set(route.shares) <= set(route.versions)
        assert self.gap or not had or self.made.answering


FATES = ("good", "load", "crash", "answer", "canary")
DEEDS: list[Callable[[Story], None]] = [
    *(partial(lambda fate, story: story.deploy(fate), fate) for fate in FATES),
    Story.promote, Story.abort, Story.kill, Story.errors, Story.room, Story.undeploy, Story.wait,
]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, len(DEEDS) - 1), st.integers(1, 12)), max_size=12))
def test_whatever_happens_the_end_is_what_is_wanted(deeds):
    story = Story()
    made = story.made
    for number, seconds in deeds:
        DEEDS[number](story)
        for _ in range(int(seconds / TURN_S)):
            story.turn()
    made.room = True
    made.passing.clear()
    made.pass_time(200)
    wanted = set()
    if made.desired is not None:
        wish = made.desired
        wanted = {one.version for one in (wish.live, wish.rollout and wish.rollout.target) if one}
        assert made.answering
        assert wish.rollout is None or wish.rollout.strategy == "canary"  # it waits for a person
    assert sorted(spec.version for spec, _, _ in made.servers.values()) == sorted(wanted)
