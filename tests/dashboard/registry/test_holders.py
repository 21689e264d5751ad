from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dashboard.registry.holders import answer, lasted, past_holders
from services.actions.history import OBSERVED, AliasSpan

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW = START + timedelta(days=30)


def history(*moves: tuple[int, int | None, str]) -> tuple[AliasSpan, ...]:
    """Spans, newest first, from (day, version, actor) oldest first."""
    spans = []
    for place, (day, version, actor) in enumerate(moves):
        after = moves[place + 1][0] if place + 1 < len(moves) else None
        until = None if after is None else START + timedelta(days=after)
        spans.append(AliasSpan(version, START + timedelta(days=day), until, actor, "", None))
    return tuple(reversed(spans))


MOVES = history((0, 1, OBSERVED), (5, 2, "ana"), (10, None, "bo"), (12, 3, "ana"))


def at(day: float):
    return answer(MOVES, "champion", START + timedelta(days=day), UTC, NOW)


def test_the_answer_names_the_version_who_and_how_long():
    found = at(6)

    assert found.version == 2
    assert found.sentence == (
        "At 2026-11-07 12:00:00 UTC version 2 was champion. It was promoted by ana "
        "2026-11-06 12:00:00 UTC until 2026-11-11 12:00:00 UTC."
    )


def test_the_present_holder_still_is():
    assert "and still is" in at(20).sentence


def test_a_gap_is_known_to_be_one():
    found = at(11)

    assert (found.version, found.known) == (None, True)
    assert "bo took the alias away" in found.sentence


def test_before_the_first_move_nothing_is_known():
    found = at(-1)

    assert (found.version, found.known) == (None, False)
    assert "first seen 2026-11-01 12:00:00 UTC" in found.sentence


def test_the_future_is_not_told():
    found = at(31)

    assert (found.version, found.known) == (None, False)
    assert "has not come yet" in found.sentence


def test_an_alias_that_never_was_is_said_so():
    found = answer((), "champion", START, UTC, NOW)

    assert "it was never set" in found.sentence


def test_what_was_set_by_other_means_is_said_so():
    assert "set outside this platform" in at(1).sentence


@given(st.floats(0, 30))
def test_the_answer_is_the_span_around_the_moment(day: float):
    moment = START + timedelta(days=day)
    holding = [s for s in MOVES if s.since <= moment and (s.until is None or moment < s.until)]

    assert [s.version for s in holding] == [at(day).version]


def test_a_span_under_way_lasts_so_far():
    assert lasted(MOVES[0], NOW) == "18 d so far"
    assert lasted(MOVES[-1], NOW) == "5 d"


def test_past_holders_leave_gaps_out():
    assert past_holders(MOVES) == {1, 2, 3}
