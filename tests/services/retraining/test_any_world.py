"""Retrainings in worlds that end processes at any point, lose answers, and do what people do.

Whatever happens: nothing is launched or deployed twice, nothing becomes live that failed its gates,
an end stays an end, and each retraining ends.
"""

from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.actions.gates import GateResult
from services.errors import ConflictError, EngineUnreachableError, MlopsError
from services.retraining import steps
from services.retraining.known import Ask, Asked, Beside, End, Known, Ran, Trained
from services.retraining.models import UNDER_WAY, Data, Policy, Proposal
from tests.services.retraining.things import NOW, accepted, evidence, proposal

MINUTE = 60.0
CANDIDATE, LIVE = 3, 2
COLLECTED = Data("ef" * 8, "cd" * 8, newer=True, said="Version efef, collected.", rows=600)


class World(RuleBasedStateMachine):
    """Engines and actions that are real as far as a retraining sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.done: Counter[str] = Counter()
        """What was begun, by key: the same key again begins nothing."""
        self.states: dict[str, str] = {}
        """Of actions by key: under way, done, failed."""
        self.run = ""
        self.registered = True
        self.passes = True
        self.seen = True
        self.live: int | None = LIVE
        self.beside_since: float | None = None
        self.requests = 0
        self.worse = False
        self.gated = True
        self.proved = False
        self.cured: bool | None = None
        self.end: End | None = None
        self.one: Proposal = proposal()
        self.over: Proposal | None = None

    @initialize(
        passes=st.booleans(), registered=st.booleans(), served=st.booleans(), worse=st.booleans(),
        gated=st.booleans(), asks=st.booleans(), collects=st.booleans(),
    )  # fmt: skip
    def begin(
        self,
        passes: bool,
        registered: bool,
        served: bool,
        worse: bool,
        gated: bool,
        asks: bool,
        collects: bool,
    ) -> None:
        self.gated = gated or not passes
        self.passes, self.registered, self.worse = passes, registered, worse
        self.live = LIVE if served else None
        bounds = Policy(judge_minutes=5, judge_requests=20, patience_h=2,
                        collect="labelled" if collects else "no")  # fmt: skip
        keyed = replace(evidence(), key="drift/lora/net/data")
        mode = "propose" if asks else "automatic"
        self.one = accepted(policy=replace(bounds, mode=mode), evidence=(keyed,))

    # What a turn of the controller does, and where it may be killed

    def known(self) -> Known:
        one = self.one
        gate = GateResult("acc", ">= 0.5", 0.9 if self.passes else 0.1, passed=self.passes)
        made = Trained(
            CANDIDATE, "f" * 32, (gate,) if self.gated else (), 1.0, None, "acc", 0.5, 0.6
        )
        trained = made if self.run == "success" and self.registered and self.seen else None
        ran = None
        if self.run:
            ran = Ran("active") if self.run == "active" else Ran(  # type: ignore[arg-type]  # a word
                self.run, registers=self.registered
            )  # fmt: skip
        place = ("lora.retrain", "r") if self.states.get("launch") == "done" else None
        beside = None
        if self.beside_since is not None and self.end is None:
            said = "Its accuracy is 0.1." if self.worse and self.requests > 10 else ""
            beside = Beside(self.beside_since, self.requests, said, cured=self.cured)
        collected = COLLECTED if self.states.get("collect") == "done" else None
        return Known(
            self.now, self.asked("collect", one.collect), collected,
            launch=self.asked("launch", one.launch, place), run=ran, trained=trained,
            live=self.live, deploy=self.asked("deploy", one.deploy), beside=beside,
            end=self.end if one.deploy is not None else None,
            steer=self.asked("promote" if one.verdict == "promote" else "abort", one.steer),
            alias=self.asked("alias", one.alias),
        )  # fmt: skip

    def asked(
        self, key: str, number: int | None, place: tuple[str, str] | None = None
    ) -> Asked | None:
        if number is None:
            return None
        return Asked(number, self.states[key], workflow=place)  # type: ignore[arg-type]  # a state

    def submit(self, ask: Ask) -> int:
        """Begin a thing once, whoever asks how often."""
        if ask == "tag":
            return 0
        if ask not in self.states:
            if ask in {"promote", "abort"} and self.end is not None:
                raise ConflictError("It ended meanwhile.")
            if ask == "cancel" and self.run != "active":
                raise ConflictError("It ended meanwhile.")
            if ask == "promote" and self.one.policy.needs_proof:
                assert self.proved, "nobody was asked, and nothing tells that it cures"
            if ask == "launch" and self.one.policy.collects:
                assert self.one.data == COLLECTED, "it learns of what was there before"
            self.done[ask] += 1
            self.states[ask] = "under way"
            if ask == "cancel":
                self.states[ask], self.run = "done", "failed"
        return list(self.states).index(ask) + 1

    @rule(killed=st.sampled_from(["never", "before", "between", "after", "refused"]))
    def turn(self, killed: str) -> None:
        before = self.one
        if before.stopped and not before.ended:  # what was begun and never noted is noted first
            whats = [what for what in ("collect", "launch", "deploy") if what in self.states]
            noted = {what: list(self.states).index(what) + 1 for what in whats}
            self.one = before = replace(before, **noted)  # type: ignore[arg-type]  # numbers of actions
        found = steps.step(before, self.known())
        if found.after.verdict != before.verdict:  # by what was known then
            self.proved = bool(self.cured) and self.gated
        if killed == "before":
            return
        self.one = found.after
        if found.ask is None or killed == "between":
            return
        try:
            if killed == "refused":
                raise EngineUnreachableError("It is away.")
            number = self.submit(found.ask)
        except MlopsError as error:
            self.one = steps.refused(found.after, found.ask, error, self.now).after
            return
        if killed != "after":
            self.one = steps.asked(found.after, found.ask, number)

    # What others do

    @rule(minutes=st.sampled_from([0.5, 3, 20, 90, -30]))
    def time_goes_on(self, minutes: float) -> None:
        self.now += minutes * MINUTE

    @precondition(lambda self: self.states.get("collect") == "under way")
    @rule(well=st.sampled_from([True, True, True, False]))
    def collection_ends(self, well: bool) -> None:
        self.states["collect"] = "done" if well else "failed"

    @precondition(lambda self: self.states.get("launch") == "under way")
    @rule(well=st.sampled_from([True, True, True, False]))
    def launch_ends(self, well: bool) -> None:
        self.states["launch"] = "done" if well else "failed"
        self.run = "active" if well else ""

    @precondition(lambda self: self.run == "active")
    @rule(well=st.sampled_from([True, True, True, False]), seen=st.booleans())
    def workflow_ends(self, well: bool, seen: bool) -> None:
        self.run = "success" if well else "failed"
        self.seen = seen

    @rule()
    def mirror_catches_up(self) -> None:
        self.seen = True

    @precondition(lambda self: self.states.get("deploy") == "under way")
    @rule(well=st.sampled_from([True, True, False]))
    def deployment_ends(self, well: bool) -> None:
        self.states["deploy"] = "done" if well else "failed"
        if well:
            self.beside_since = self.now

    @precondition(lambda self: self.beside_since is not None and self.end is None)
    @rule(requests=st.integers(1, 40))
    def requests_come(self, requests: int) -> None:
        self.requests += requests

    @precondition(lambda self: self.beside_since is not None and self.end is None)
    @rule(kind=st.sampled_from(["live", "rolled-back", "undeployed"]))
    def somebody_or_a_guard_ends_the_rollout(self, kind: str) -> None:
        self.end_it(kind)

    @rule(cured=st.sampled_from([None, True, True, False]))
    def its_own_check_comes(self, cured: bool | None) -> None:
        self.cured = cured

    def end_it(self, kind: str) -> None:
        self.end = End(kind, f"It is {kind}.")  # type: ignore[arg-type]  # one of them
        if kind == "live":
            self.live = CANDIDATE

    @rule(ask=st.sampled_from(["promote", "abort"]), well=st.booleans())
    def steering_ends(self, ask: str, well: bool) -> None:
        if self.states.get(ask) != "under way":
            return
        self.states[ask] = "done" if well else "failed"
        if self.end is None:
            self.end_it("live" if ask == "promote" and well else "rolled-back")

    @precondition(lambda self: self.states.get("alias") == "under way")
    @rule(well=st.sampled_from([True, True, False]))
    def alias_ends(self, well: bool) -> None:
        self.states["alias"] = "done" if well else "failed"

    @precondition(lambda self: self.one.state in UNDER_WAY)
    @rule()
    def somebody_stops_it(self) -> None:
        if self.one.verdict != "promote" and not self.one.stopped:
            self.one = replace(self.one, stopped="Stopped by ann: enough.", stuck_since=None)

    # What holds

    @invariant()
    def what_was_stopped_runs_no_more(self) -> None:
        if self.one.stopped and self.one.ended:
            assert self.one.state in {"dismissed", "promoted"}
            if self.one.state == "dismissed" and "given up" not in self.one.said:
                assert self.run != "active"

    @invariant()
    def everything_is_begun_at_most_once(self) -> None:
        assert not [key for key, times in self.done.items() if times > 1]

    @invariant()
    def nothing_that_failed_its_gates_is_served(self) -> None:
        if not (self.passes and self.registered):
            assert not self.done.keys() & {"deploy", "promote", "alias"}

    @invariant()
    def an_end_is_an_end(self) -> None:
        if self.over is not None:
            assert self.one == self.over
        if self.one.ended:
            self.over = self.one
            assert self.one.ended_at is not None
            assert self.one.said

    @invariant()
    def champion_is_only_what_is_live_or_what_nothing_was_beside(self) -> None:
        if self.states.get("alias") and LIVE in {self.live}:
            raise AssertionError("the old version is live, the new one is champion")

    def teardown(self) -> None:
        """In a world that goes on, it ends."""
        for turn in range(80):
            if self.one.ended:
                return
            self.engines_go_on()
            self.now += (20 if turn < 60 else 24 * 60) * MINUTE
            self.turn("never")
        raise AssertionError(f"it never ended: {self.one}")

    def engines_go_on(self) -> None:
        if self.beside_since is not None:
            self.requests += 40
        for key in [key for key, state in self.states.items() if state == "under way"]:
            self.states[key] = "done"
            if key == "deploy":
                self.beside_since = self.now
            if key in {"promote", "abort"} and self.end is None:
                self.end_it("live" if key == "promote" else "rolled-back")
        if self.states.get("launch") == "done":
            self.run = "success" if self.run == "active" else self.run or "active"


World.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestAnyWorld = World.TestCase


def test_the_machine_finds_a_second_launch():
    """A submission without a key of its own would launch twice: the machine must see that."""
    one, world = accepted(), World()
    world.one = one
    world.turn("after")  # submitted, and nobody wrote it down
    assert world.one.launch is None
    world.states.clear()  # as if the key were another one each time
    world.turn("never")
    assert world.done["launch"] == 2
    assert replace(world.one, launch=None) == one
