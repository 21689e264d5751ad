"""What is said of a diagnosis: verdicts, weights and stretches of time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard.hardware import why
from services.telemetry.causes import KINDS, CannotTell, Evidence
from services.telemetry.diagnosis import CHECKS, Cause, Diagnosis

BEGIN = datetime(2026, 11, 28, 22, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def evidence(start: float, end: float) -> Evidence:
    return Evidence("thermal_level", 2, "level", 1, at(start), at(end), "It was hot.")


CAUSE = Cause(
    "thermal", "Throttled", (evidence(5, 9), evidence(6, 7)), "Cool it.", 0.25, "measured",
    at(5), at(9),
)  # fmt: skip
FINE = Diagnosis(at(0), at(10), 1.0, "Nothing of the machine was found to slow it down.", (), (),
                 tuple(CHECKS), None)  # fmt: skip
UNKNOWN = (CannotTell("wired", "no provider reports it"),)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (FINE, "nothing"),
        (replace(FINE, causes=(CAUSE,)), "found"),
        (replace(FINE, unknown=UNKNOWN), "partly"),
        (replace(FINE, coverage=0.4), "partly"),
        (replace(FINE, clear=(), unknown=UNKNOWN), "silent"),
        (replace(FINE, clear=(), causes=(CAUSE,)), "found"),
    ],
)
def test_that_nothing_was_found_is_claimed_when_all_was_looked_at(found: Diagnosis, verdict: str):
    assert why.verdict(found) == verdict


def test_every_cause_has_a_sign():
    assert why._ICONS.keys() == KINDS.keys()


def test_the_stretches_to_zoom_to_are_each_named_once():
    assert why.windows(CAUSE) == ((at(5), at(9)), (at(6), at(7)))


def test_an_estimate_is_marked_as_one():
    assert why.weight(CAUSE) == "25 % of the speed"
    assert why.weight(replace(CAUSE, lost_quality="estimated")) == "≈ 25 % of the speed"


def test_a_cause_that_cost_nothing_is_not_told_as_0_percent():
    assert why.weight(replace(CAUSE, lost=0.0)) == "no speed lost"
    assert why.weight(replace(CAUSE, lost=0.004, lost_quality="estimated")) == "hardly any speed"


def test_what_cannot_be_told_for_the_same_reason_is_told_together():
    unknown = (
        CannotTell("thermal", "Thermal level: Not Apple Silicon."),
        CannotTell("wired", "not Apple Silicon"),
        CannotTell("contention", "NVIDIA reports no processes"),
    )
    assert why.reasons(unknown) == (
        "throttling by heat, the budget of GPU memory: not Apple Silicon.",
        "others on the machine: NVIDIA reports no processes.",
    )


def test_times_are_in_the_zone_of_the_browser_and_name_the_day_when_it_changes():
    berlin = ZoneInfo("Europe/Berlin")
    assert why.clocks(at(0), at(10), UTC) == "22:00:00 – 22:10:00"
    assert why.clocks(at(0), at(120), UTC) == "11-28 22:00:00 – 11-29 00:00:00"
    assert why.between(at(0), at(10), berlin) == "2026-11-28 23:00:00 to 23:10:00 CET"
    assert why.between(at(0), at(60), berlin) == "2026-11-28 23:00:00 to 2026-11-29 00:00:00 CET"
