"""What is said of reports by the calendar that cannot be made."""

from services.alerting.rules import reports
from services.reports.schedules import Schedule
from tests.services.alerting.things import NOW

NONE: frozenset[str] = frozenset()
DAILY = Schedule("lora", "day", trouble="The disk is full.")


def schedule(failed: int, project: str | None = "lora") -> Schedule:
    return Schedule(project, "day", trouble="The disk is full." if failed else "", failed=failed)


def test_two_tries_in_a_row_that_fail_are_an_alert_and_one_is_none():
    for failed in (0, 1):
        assert reports.events([schedule(failed)], NOW, NONE) == ()
    (found,) = reports.events([schedule(2)], NOW, NONE)
    assert (found.key, found.state, found.severity) == ("report/lora/day", "firing", "warning")
    assert (found.project, found.cause) == ("lora", "The disk is full.")
    (whole,) = reports.events([schedule(3, None)], NOW, NONE)
    assert (whole.key, whole.project) == ("report/*/day", None)
    assert "the whole toolkit" in whole.title


def test_it_ends_when_one_is_made_or_none_is_made_any_more():
    there = frozenset({"report/lora/day"})
    (made,) = reports.events([schedule(0)], NOW, there)
    assert (made.key, made.state) == ("report/lora/day", "ok")
    (gone,) = reports.events([], NOW, there)
    assert (gone.key, gone.state) == ("report/lora/day", "ok")
    (once,) = reports.events([schedule(1)], NOW, there)
    assert once.state == "unknown"
