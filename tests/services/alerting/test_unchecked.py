"""What is said of a version that answers and was not checked yet."""

from datetime import UTC, datetime

import pytest

from services.alerting.rules import drift
from services.alerting.rules.unchecked import Unchecked, due, said
from tests.services.alerting.things import NOW

AT = datetime(2026, 11, 29, 13, 10, tzinfo=UTC).timestamp()
ONE = Unchecked(2, AT, AT + 3600)


@pytest.mark.parametrize(
    ("one", "now", "sentence"),
    [
        (ONE, AT + 60, "Version 2 answers since 13:10 UTC and was not checked yet; its first check "
         "is due by 14:10 UTC."),
        (ONE, AT + 3601, "Version 2 answers since 13:10 UTC and was not checked yet, though a "
         "check was due by 14:10 UTC; `mlops logs controller` may say why."),
        (ONE, AT + 86_400, "Version 2 answers since 2026-11-29 13:10 UTC and was not checked yet, "
         "though a check was due by 2026-11-29 14:10 UTC; `mlops logs controller` may say why."),
        (Unchecked(2, None, AT + 3600), AT,
         "Version 2 answers and was not checked yet; its first check is due by 14:10 UTC."),
        (Unchecked(2, AT, AT, paused=True), AT + 60,
         "Version 2 answers since 13:10 UTC and was not checked yet; no check comes while the "
         "workflow platform.monitor is paused (`mlops workflows resume platform.monitor`)."),
        (Unchecked(2, AT, AT, paused=True, error="The log is away."), AT + 60,
         "Version 2 answers since 13:10 UTC, and could not be checked: The log is away."),
    ],
)  # fmt: skip
def test_it_says_since_when_and_what_comes(one: Unchecked, now: float, sentence: str):
    assert said(one, now) == sentence


@pytest.mark.parametrize(
    ("began", "failed_at", "latest"),
    [(NOW, None, NOW + 4500), (None, None, NOW + 800 + 900), (NOW, NOW + 60, NOW + 60 + 1500)],
)  # fmt: skip
def test_a_round_comes_each_hour_and_sooner_after_one_that_failed(began, failed_at, latest):
    assert due(began, failed_at, NOW + 800) == latest


class Verdict:
    """A verdict, as far as the rule asks."""

    id, project, model, severity, said, report, columns = "v", "p", "m", "none", "x", None, ()
    computed_at = NOW

    def __init__(self, version: int, state: str) -> None:
        self.version, self.state, self.kind = version, state, "data"


KEY = "drift/p/m/data"


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [([], "unknown"), ([Verdict(1, "steady")], "unknown"), ([Verdict(1, "drifted")], "firing"),
     ([Verdict(1, "too few")], "unknown")],
)  # fmt: skip
def test_steady_ends_nothing_while_another_version_was_not_checked(verdicts, state):
    waiting = {"p.m": [ONE]}
    found = drift.events(verdicts, {KEY}, ["p.m"], AT + 60, waiting)
    assert [(one.key, one.state) for one in found] == [(KEY, state)]
    if not verdicts:
        assert found[0].said.startswith("Version 2 answers since 13:10 UTC")


def test_what_has_no_alert_needs_no_word():
    assert drift.events([], set(), ["p.m"], AT, {"p.m": [ONE]}) == ()
    (well,) = drift.events([Verdict(1, "steady")], {KEY}, ["p.m"], AT)
    assert well.state == "ok"
