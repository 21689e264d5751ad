"""What events make of alerts, by example and by property."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.alerting import engine
from services.alerting.engine import Book
from services.alerting.models import CAUSE, Event, Silence, key_of, matches, rank, valid_key
from tests.services.alerting.things import NOW, POLICY, after, alert, event, ok, unknown

SEVERITIES = st.sampled_from(["info", "warning", "critical"])


def kinds(book: Book) -> list[str]:
    return [note.what for note in book.notes]


# By example


def test_the_first_event_that_fires_makes_an_alert():
    one = alert(event(severity="critical", said="It broke.", labels={"engine": "airflow"}))
    assert (one.state, one.severity, one.since, one.count) == ("firing", "critical", NOW, 1)
    assert one.tags == {"engine:airflow"}
    assert one.thread == alert(event(severity="critical")).thread
    assert one.thread != alert(event(at=NOW + 1)).thread


@pytest.mark.parametrize("first", [ok(), unknown()])
def test_what_is_well_or_unknown_makes_none(first: Event):
    assert after(first) == Book()


def test_the_same_event_again_is_the_same_alert():
    book = after(event())
    again = after(event(), book=book, now=NOW + 30)
    assert again.alerts == book.alerts
    assert again.notes == ()


def test_more_events_are_counted_and_the_newest_is_told():
    one = alert(event(said="Once."), event(at=NOW + 5, said="Twice."))
    assert (one.count, one.said, one.since, one.last_at) == (2, "Twice.", NOW, NOW + 5)


def test_a_cause_that_was_found_is_no_other_sighting():
    one = alert(event(), event(at=NOW + 1, cause="Heat.", labels={CAUSE: "thermal"}))
    assert (one.count, one.cause) == (1, "Heat.")


def test_it_ends_on_evidence_and_tells_it():
    book = after(event(), ok())
    (one,) = book.alerts.values()
    assert (one.state, one.resolved_at, one.resolution) == ("resolved", NOW + 60, "It is well.")
    assert kinds(book) == ["resolved"]


def test_unknown_ends_nothing_and_is_over_when_the_same_is_said_again():
    book = after(event(), unknown())
    (one,) = book.alerts.values()
    assert (one.state, one.open, one.unknown_because) == ("unknown", True, "Nobody can tell.")
    assert kinds(book) == ["unknown"]
    back = after(event(), book=book, now=NOW + 120)
    (one,) = back.alerts.values()
    assert (one.state, one.count, one.unknown_because) == ("firing", 1, "")
    assert kinds(back) == ["seen"]


def test_late_evidence_changes_nothing():
    book = after(event(), event(at=NOW + 50), ok(at=NOW + 20), now=NOW + 60)
    (one,) = book.alerts.values()
    assert one.state == "firing"
    ended = after(ok(at=NOW + 55), event(at=NOW + 54), book=book, now=NOW + 60)
    (one,) = ended.alerts.values()
    assert one.state == "resolved"


def test_of_one_moment_firing_counts_more():
    book = after(event(), ok(at=NOW + 9), event(at=NOW + 9), now=NOW + 9)
    assert [one.state for one in book.alerts.values()] == ["firing"]


def test_a_clock_that_jumped_ahead_does_not_lock_an_alert():
    book = after(event(at=NOW + 86_400), now=NOW)
    (one,) = book.alerts.values()
    assert one.last_at == NOW
    ahead = after(event(), ok(at=NOW + 999), now=NOW + 999)  # the clock was wrong, and is set back
    again = after(event(at=NOW + 20), book=ahead, now=NOW + 20)
    assert [one.state for one in again.alerts.values()] == ["firing"]


def test_what_comes_back_soon_is_the_same_alert_and_later_another():
    book = after(event(), ok())
    soon = after(event(at=NOW + 70), book=book)
    (one,) = soon.alerts.values()
    assert (one.count, one.since, one.resolved_at, one.resolution) == (2, NOW, None, "")
    assert kinds(soon) == ["again"]
    late = NOW + 60 + POLICY.reopen_s
    other = after(event(at=late), book=book)
    (one,) = other.alerts.values()
    assert (one.count, one.since, one.id) == (1, late, 0)
    assert kinds(other) == ["fired"]


def test_getting_worse_takes_the_owner_away_and_getting_milder_does_not():
    book = after(event(severity="warning"))
    key = next(iter(book.alerts))
    owned = replace(book.alerts[key], id=1)
    book = Book({key: engine.acknowledged(owned, "ana", "on it", NOW + 1)})
    milder = after(event(at=NOW + 2, severity="info"), book=book)
    assert milder.alerts[key].state == "acknowledged"
    assert kinds(milder) == ["milder"]
    worse = after(event(at=NOW + 3, severity="critical"), book=milder)
    assert (worse.alerts[key].state, worse.alerts[key].note) == ("firing", "")
    assert kinds(worse) == ["worse"]


def test_a_silence_keeps_quiet_until_its_end_and_only_what_it_covers():
    silence = Silence(7, "run/*", "lora", "ana", "known", NOW, NOW + 100)
    book = Book(after(event(), event("run/clip/sgd", project="clip")).alerts)
    during = engine.apply(book, (), [silence], NOW + 99, POLICY)
    assert [one.state for one in during.alerts.values()] == ["silenced", "firing"]
    assert during.alerts["run/lora/sgd"].silence == 7
    past = engine.apply(during, (), [silence], NOW + 100, POLICY)
    assert [one.state for one in past.alerts.values()] == ["firing", "firing"]
    ended = engine.apply(book, (), [replace(silence, ended_at=NOW + 1)], NOW + 50, POLICY)
    assert [one.state for one in ended.alerts.values()] == ["firing", "firing"]


def test_an_engine_that_is_down_keeps_quiet_what_it_explains():
    cause = event("engine/airflow", explains=("engine:airflow",), labels={"engine": "airflow"})
    effect = event("workflow/lora.train", labels={"engine": "airflow"})
    book = after(effect, cause)
    assert book.alerts["workflow/lora.train"].state == "inhibited"
    assert book.alerts["workflow/lora.train"].inhibited_by == "engine/airflow"
    assert book.alerts["engine/airflow"].state == "firing"
    unseen = after(unknown("engine/airflow"), book=book)
    assert unseen.alerts["workflow/lora.train"].state == "inhibited"
    well = after(ok("engine/airflow"), book=book)
    assert well.alerts["workflow/lora.train"].state == "firing"


@pytest.mark.parametrize(
    ("pattern", "key", "is_so"),
    [
        ("run/*", "run/a/b", True), ("run/a", "run/a/b", False), ("*", "x", True),
        ("r.n/*", "run/a", False), ("*/b", "run/a/b", True), ("", "", True),
        ("run/[ab]", "run/a", False),
    ],
)  # fmt: skip
def test_only_stars_are_wild(pattern: str, key: str, is_so: bool):
    assert matches(pattern, key) is is_so


def test_keys_of_what_people_named_can_be_kept():
    assert key_of("run", "lora", "a/b") == "run/lora/a/b"
    assert key_of("run", "a\n\ud800") == "run/a??"
    long, other = key_of("run", "x" * 400), key_of("run", "x" * 401)
    assert long != other
    assert all(valid_key(key) for key in (long, other))


def test_keys_are_short_and_can_be_seen():
    assert valid_key("drift/a/b/data")
    assert not [key for key in ("", "a\nb", "x" * 301) if valid_key(key)]


# By property


@st.composite
def evidence(draw: st.DrawFn) -> list[Event]:
    one = st.builds(
        event,
        at=st.integers(0, 40).map(lambda n: NOW + n),
        state=st.sampled_from(["firing", "ok"]),
        severity=SEVERITIES,
    )
    return draw(st.lists(one, min_size=1, max_size=12))


@given(evidence(), st.randoms())
def test_an_open_alert_is_what_its_newest_evidence_says_in_any_order(events, random):
    """Whatever the order, and whatever is told twice."""
    first = event(at=NOW - 1)
    jumbled = [*events, *random.sample(events, random.randrange(len(events) + 1))]
    random.shuffle(jumbled)
    book = after(first, *jumbled, now=NOW + 41)
    (one,) = book.alerts.values()
    at, fires, severity = max((e.at, e.state == "firing", rank(e.severity)) for e in events)
    assert one.open is fires
    assert one.last_at == at
    if fires:
        assert rank(one.severity) == severity


@given(evidence(), evidence())
def test_taking_events_one_by_one_or_at_once_is_the_same(one, other):
    events, now = [*one, *other], NOW + 41
    at_once = engine.apply(Book(), events, (), now, POLICY)
    singly = after(*events, now=now)
    assert at_once.alerts == singly.alerts


class Life(RuleBasedStateMachine):
    """Alerts of three keys, in all that may happen to them."""

    KEYS = ("engine/a", "run/p/x", "disk/d")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.now = NOW
        self.silences: list[Silence] = []
        self.truth: dict[str, str] = {}

    def _take(self, one: Event) -> None:
        self.book = engine.apply(self.book, [one], self.silences, self.now, POLICY)

    @rule(seconds=st.floats(0.5, 400))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.book = engine.apply(self.book, (), self.silences, self.now, POLICY)

    @rule(key=st.sampled_from(KEYS), severity=SEVERITIES)
    def fires(self, key: str, severity: str) -> None:
        self.now += 0.5
        tag = {"explains": ("of:a",)} if key == "engine/a" else {"labels": {"of": "a"}}
        self._take(event(key, self.now, severity=severity, **tag))
        self.truth[key] = "firing"

    @rule(key=st.sampled_from(KEYS))
    def is_well(self, key: str) -> None:
        self.now += 0.5
        self._take(ok(key, self.now))
        self.truth[key] = "ok"

    @rule(key=st.sampled_from(KEYS))
    def cannot_be_seen(self, key: str) -> None:
        self.now += 0.5
        self._take(unknown(key, self.now))

    @rule(pattern=st.sampled_from(["*", "run/*", "engine/a"]), lasts=st.floats(1, 500))
    def silence(self, pattern: str, lasts: float) -> None:
        until = self.now + lasts
        self.silences.append(Silence(len(self.silences), pattern, None, "a", "", self.now, until))

    @precondition(lambda self: any(a.open for a in self.book.alerts.values()))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        open_now = sorted(key for key, one in self.book.alerts.items() if one.open)
        key = data.draw(st.sampled_from(open_now))
        mine = engine.acknowledged(self.book.alerts[key], "ana", "", self.now)
        self.book = Book({**self.book.alerts, key: mine})

    @invariant()
    def open_is_what_the_last_evidence_said(self) -> None:
        for key, said in self.truth.items():
            one = self.book.alerts.get(key)
            assert (one is not None and one.open) == (said == "firing")

    @invariant()
    def nothing_ends_without_evidence(self) -> None:
        for one in self.book.alerts.values():
            assert (one.resolved_at is None) or (one.resolution == "It is well.")
            assert one.since <= one.last_at <= self.now

    @invariant()
    def whoever_is_inhibited_is_so_by_one_that_lasts(self) -> None:
        for one in self.book.alerts.values():
            if one.inhibited_by is not None:
                assert self.book.alerts[one.inhibited_by].open


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
