"""What a deployment is compared with is kept in the journal, and refused where it cannot be."""

from collections.abc import Iterator

import pytest

from services.actions.journal import Journal
from services.errors import InputError
from services.monitoring import baselines
from services.monitoring.baselines import Chosen, all_chosen, baseline_of, chosen, put
from services.monitoring.models import Baseline

NOW = 1_780_000_000.0
HOUR_S = 3600.0


@pytest.fixture
def journal(tmp_path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield made
    made.close()


def test_a_choice_is_kept_and_taken_back(journal: Journal):
    assert baseline_of(journal, "p", "m") == Baseline()
    one = Chosen(Baseline("season", weeks=2), "mira", NOW, 7)
    put(journal, "p", "m", one)
    put(journal, "p", "a.b", Chosen(Baseline("window", 1.0, 100.0), "mira", NOW))
    assert chosen(journal, "p", "m") == one
    assert baseline_of(journal, "p", "a.b") == Baseline("window", 1.0, 100.0)
    assert baseline_of(journal, "p", "other") == Baseline()
    other = Chosen(Baseline("first"), "jo", NOW + 1, 8)
    put(journal, "p", "m", other)
    assert all_chosen(journal)["p.m"] == other
    put(journal, "p", "m", None)
    assert all_chosen(journal).keys() == {"p.a.b"}


@pytest.mark.parametrize(
    "one",
    [
        Baseline(), Baseline("evaluation"), Baseline("first"), Baseline("season", weeks=1),
        Baseline("season", weeks=12), Baseline("window", NOW - HOUR_S, NOW),
    ],
)  # fmt: skip
def test_what_can_be_is_taken(one: Baseline):
    baselines.check(one, NOW)
    assert baselines.said(one)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Baseline("best"), "is no baseline"),  # type: ignore[arg-type]
        (Baseline("season", weeks=0), "1 to 12"),
        (Baseline("season", weeks=13), "1 to 12"),
        (Baseline("season", weeks=True), "1 to 12"),
        (Baseline("season", weeks=2.5), "1 to 12"),  # type: ignore[arg-type]
        (Baseline("window"), "with begin and end"),
        (Baseline("window", since=1.0), "with begin and end"),
        (Baseline("first", 1.0, 2.0), "with it alone"),
        (Baseline("window", NOW, NOW - HOUR_S), "no baseline"),
        (Baseline("window", NOW - 59.0, NOW), "at least a minute"),
        (Baseline("window", NOW - 401 * 24 * HOUR_S, NOW), "400 days"),
        (Baseline("window", float("nan"), NOW), "no baseline"),
        (Baseline("window", NOW - HOUR_S, NOW + 1.0), "yet to come"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(one: Baseline, why: str):
    with pytest.raises(InputError, match=why):
        baselines.check(one, NOW)
