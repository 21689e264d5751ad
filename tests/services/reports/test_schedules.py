"""Scheduled reports: when they are due, that each is made once, and who is told."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from services.actions.journal import Journal
from services.alerting import channels, outbox
from services.alerting.models import Channel, Quiet
from services.controller.reports import ReportWatch
from services.errors import InputError, PlatformError
from services.home import Home
from services.reports import kept, making, schedules
from services.reports.schedules import Schedule
from services.settings import Settings
from services.workflows import steps
from services.workflows.steps import Desk
from tests.lineage_seed import CLIP, LORA

if TYPE_CHECKING:
    from services.projects.contract import Project

HOUR, DAY = 3600.0, 86_400.0
DAILY = Schedule(LORA, "day", 7, channels=("ops", "gone"))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-26T08:30")  # a Thursday


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    opened = Journal.open(Settings())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("schedule", "due", "since", "following"),
    [
        (Schedule(None, "day", 7), "2026-11-26T07:00", "2026-11-25T07:00", "2026-11-27T07:00"),
        (Schedule(None, "day", 9), "2026-11-25T09:00", "2026-11-24T09:00", "2026-11-26T09:00"),
        (Schedule(None, "week", 7), "2026-11-23T07:00", "2026-11-16T07:00", "2026-11-30T07:00"),
        (Schedule(None, "month", 7), "2026-11-01T07:00", "2026-10-01T07:00", "2026-12-01T07:00"),
        (Schedule(None, "day", 7, "Asia/Kolkata"), "2026-11-26T01:30", "2026-11-25T01:30",
         "2026-11-27T01:30"),
    ],
)  # fmt: skip
def test_a_moment_is_due_by_the_calendar_of_its_zone(
    schedule: Schedule, due: str, since: str, following: str
):
    assert schedule.due(NOW) == at(due)
    assert schedule.due(at(due)) == at(due)
    assert schedule.due(at(due) - 1) == at(since)
    assert schedule.window(at(due)) == (at(since), at(due))
    assert schedule.next(NOW) == at(following)


def test_where_clocks_change_the_hour_stays_and_the_day_is_as_long_as_it_is():
    berlin = Schedule(None, "day", 7, "Europe/Berlin")
    due = berlin.due(at("2026-10-25T08:00"))
    assert due == at("2026-10-25T06:00")
    since, until = berlin.window(due)
    assert until - since == 25 * HOUR
    gap = Schedule(None, "day", 2, "Europe/Berlin")  # 02:00 does not exist on this day
    assert gap.due(at("2026-03-29T12:00")) == at("2026-03-29T01:00")
    assert gap.window(at("2026-03-29T01:00"))[0] == at("2026-03-28T01:00")


@pytest.mark.parametrize(
    "wrong",
    [Schedule(None, "year"), Schedule(None, "day", 24), Schedule(None, "day", -1),  # type: ignore[arg-type]
     Schedule(None, "day", True), Schedule(None, "day", 7, "Mars/Base"),
     Schedule(None, "day", 7, "../../etc/passwd")],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(wrong: Schedule):
    with pytest.raises(InputError):
        schedules.check(wrong)


def test_the_first_is_due_at_the_next_moment_and_each_is_made_once(home: Home, journal: Journal):
    schedules.put(journal, DAILY, NOW)
    assert schedules.make_due(home, NOW, journal) == ()
    assert not schedules.late(journal, NOW + DAY - 2 * HOUR, 0.0)
    later = NOW + 3 * DAY
    assert schedules.late(journal, later, HOUR)
    assert not schedules.late(journal, later, 2 * HOUR)
    (made,) = schedules.make_due(home, later, journal)  # of three that were missed the last
    assert made.schedule == f"{LORA}/day"
    assert (made.since, made.until) == (at("2026-11-28T07:00"), at("2026-11-29T07:00"))
    assert schedules.make_due(home, later, journal) == ()
    assert kept.kept(home, (LORA,)) == (made,)
    (one,) = schedules.schedules(journal)
    assert (one.made_at, one.report, one.trouble) == (made.until, made.name, "")


def test_two_that_look_at_once_make_one(home: Home, journal: Journal):
    schedules.put(journal, DAILY, NOW)
    found: list[int] = []
    both = [
        threading.Thread(
            target=lambda: found.append(len(schedules.make_due(home, NOW + DAY, journal)))
        )
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(found) == [0, 1]
    assert len(kept.kept(home)) == 1


def test_one_that_was_killed_before_it_was_noted_is_made_again_under_its_name(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    schedules.put(journal, DAILY, NOW)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schedules, "_note", killed)
        with pytest.raises(KeyboardInterrupt):
            schedules.make_due(home, NOW + DAY, journal)
    (before,) = kept.kept(home)
    (again,) = schedules.make_due(home, NOW + DAY, journal)
    assert again.name == before.name
    assert len(kept.kept(home)) == 1


def test_one_that_fails_keeps_no_other_waiting_and_is_tried_again_later(
    home: Home, journal: Journal
):
    for project in (LORA, "nobody"):
        schedules.put(journal, Schedule(project, "day"), NOW)
    with pytest.raises(PlatformError, match="1 of 2 reports"):
        schedules.make_due(home, NOW + DAY, journal)
    assert [one.project for one in kept.kept(home)] == [LORA]
    troubles = {one.project: one.trouble for one in schedules.schedules(journal)}
    assert troubles[LORA] == ""
    assert "There is no project" in troubles["nobody"]
    assert not schedules.late(journal, NOW + DAY + 60, 0.0)
    assert schedules.late(journal, NOW + DAY + 700, 0.0)


def test_set_anew_makes_nothing_at_once_and_removed_makes_nothing(home: Home, journal: Journal):
    schedules.put(journal, DAILY, NOW)
    schedules.put(journal, Schedule(LORA, "day", 8), NOW + DAY)
    assert schedules.make_due(home, NOW + DAY, journal) == ()
    assert [one.hour for one in schedules.schedules(journal)] == [8]
    assert schedules.remove(journal, f"{LORA}/day")
    assert not schedules.remove(journal, f"{LORA}/day")
    assert schedules.make_due(home, NOW + 9 * DAY, journal) == ()


def test_a_person_sees_the_schedules_of_their_projects(journal: Journal):
    for project in (None, LORA, CLIP):
        schedules.put(journal, Schedule(project, "week"), NOW)
    assert [one.project for one in schedules.schedules(journal)] == [None, CLIP, LORA]
    assert [one.project for one in schedules.schedules(journal, (LORA,))] == [LORA]


def test_old_reports_go_when_new_ones_are_made(home: Home, journal: Journal):
    old = making.make(home, making.Wish(kept.new_name(NOW), LORA, NOW - DAY, NOW, "ana"))
    schedules.put(journal, DAILY, time.time())
    schedules.make_due(home, time.time() + 8 * DAY, journal)
    assert old.name not in {one.name for one in kept.kept(home)}
    assert len(kept.kept(home)) == 1


# Who is told


def told(journal: Journal) -> list[outbox.Message]:
    return [one for one in outbox.messages(journal) if one.what == "report"]


def test_who_was_named_is_told_once_with_the_link(home: Home, journal: Journal):
    for name in ("ops", "other"):
        channels.put(journal, Channel(name, "json", "critical"))
    schedules.put(journal, DAILY, NOW)
    later = NOW + DAY
    watch = ReportWatch(home, journal, lambda: "http://d.example", clock=lambda: later)
    schedules.make_due(home, later, journal)
    watch.turn()
    watch.turn()
    (one,) = told(journal)
    (report,) = kept.kept(home)
    assert (one.channel, one.severity, one.state) == ("ops", "info", "waiting")
    assert one.title == f"Daily report of {LORA}"
    assert f"http://d.example{report.link}" in one.body
    assert "From 2026-11-26 07:00 to 2026-11-27 07:00 UTC" in one.body


def test_in_quiet_hours_it_waits_for_their_end(home: Home, journal: Journal):
    channels.put(journal, Channel("ops", "json", quiet=Quiet(22 * 60, 9 * 60)))
    schedules.put(journal, DAILY, NOW)
    schedules.make_due(home, NOW + DAY, journal)
    schedules.tell(home, journal, NOW + DAY, "")
    (one,) = told(journal)
    assert one.not_before == at("2026-11-27T09:00")
    assert outbox.claim(journal, NOW + DAY) is None
    assert outbox.claim(journal, NOW + DAY + HOUR) is not None


def test_nobody_is_told_where_nobody_was_named(home: Home, journal: Journal):
    channels.put(journal, Channel("ops", "json", "info"))
    schedules.put(journal, Schedule(LORA, "day"), NOW)
    schedules.make_due(home, NOW + DAY, journal)
    assert schedules.tell(home, journal, NOW + DAY, "") == 1
    assert schedules.tell(home, journal, NOW + DAY, "") == 0
    assert told(journal) == []


def test_a_report_leaves_the_room_of_alerts_alone(home: Home, journal: Journal):
    from services.alerting import deciding
    from services.alerting.models import Policy
    from tests.services.alerting.things import event

    channels.put(journal, Channel("ops", "json"))
    with journal.write() as connection:
        for _ in range(9):
            outbox.announce(connection, ["ops"], "title", "body", NOW, group="report/x")
    deciding.decide(journal, [event(at=NOW)], NOW, Policy())
    deciding.decide(journal, [], NOW + 5, Policy())
    assert [one.what for one in outbox.messages(journal)].count("firing") == 1


# The loop of the controller


def test_with_airflow_the_loop_waits_for_it_and_then_does_it(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    schedules.put(journal, DAILY, NOW)
    begun: list[float] = []
    now = [NOW + DAY - HOUR]
    watch = ReportWatch(home, journal, str, 2 * HOUR, lambda: now[0])
    monkeypatch.setattr(ReportWatch, "_make", lambda self: begun.append(self.clock()))
    for hours in (0, 1, 2):
        now[0] = NOW + DAY + hours * HOUR
        watch.turn()
    assert begun == [NOW + DAY + HOUR, NOW + DAY + 2 * HOUR]


def test_a_process_that_fails_is_a_sentence_and_what_was_made_is_told(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    channels.put(journal, Channel("ops", "json"))
    now = time.time()
    for one in (Schedule("nobody", "day"), Schedule(LORA, "day", channels=("ops",))):
        schedules.put(journal, one, now - DAY)
    watch = ReportWatch(home, journal, str)
    with pytest.raises(PlatformError, match="1 of 2 reports could not be made"):
        watch.turn()
    assert len(told(journal)) == 1
    watch.turn()  # not before the pause is over


# The task of the DAG


def test_the_task_of_the_dag_makes_what_is_due_and_is_skipped_while_nothing_is(
    home: Home, journal: Journal
):
    place = Desk(cast("Project", None), home)
    schedules.put(journal, DAILY, time.time())
    told = steps.report(place, {})
    assert told == {"reports": [], "said": "No report is due.", "skip": "No report is due."}
    schedules.remove(journal, DAILY.name)
    schedules.put(journal, DAILY, time.time() - 2 * DAY)
    told = steps.report(place, {})
    (made,) = kept.kept(home)
    assert told == {"reports": [made.name], "said": f"{LORA}/day: {made.name}."}
