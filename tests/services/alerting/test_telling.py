"""Who is told what, and when: groups, bursts, reminders, quiet hours, ends."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.alerting import hours, telling, words
from services.alerting.models import CAUSE, NO_CAUSE, WHY, Alert, Channel, Message, Quiet, Told
from services.alerting.telling import Draft
from services.errors import InputError
from tests.services.alerting.things import NOW, POLICY, alert, channel, event, ok

WAIT = POLICY.group_wait_s
LATER = NOW + WAIT
OPS = channel()


def drafts(
    alerts: list[Alert], channels: list[Channel] | None = None, recent: list[Message] | None = None,
    now: float = LATER,
) -> tuple[Draft, ...]:  # fmt: skip
    return telling.drafts(alerts, channels or [OPS], recent or [], now, POLICY)


def sent(draft: Draft, at: float = LATER) -> Message:
    severity = "critical" if draft.critical else "warning"
    return Message(1, draft.channel, draft.what, severity, "", "", (), at, draft.group)


def told(one: Alert, at: float = LATER, name: str = "ops") -> Alert:
    return telling.told(one, name, at, POLICY)


def test_what_belongs_together_is_one_message_a_few_seconds_later():
    one, two = alert(key="run/lora/a"), alert(key="run/lora/b", at=NOW + WAIT - 1)
    other = alert(key="workflow/lora.train")
    assert drafts([one, two, other], now=NOW + WAIT - 0.1) == ()
    found = drafts([one, two, other])
    assert [(draft.what, draft.alerts) for draft in found] == [
        ("firing", (one, two)), ("firing", (other,)),
    ]  # fmt: skip


def test_an_alert_is_told_once():
    one = told(alert())
    assert (one.notified_at, one.told["ops"]) == (LATER, Told(LATER, "warning"))
    assert drafts([one], now=LATER + 300) == ()


def test_getting_worse_is_told():
    one = told(alert())
    worse = replace(one, severity="critical")
    (draft,) = drafts([worse], now=LATER + 1)
    assert (draft.what, draft.critical) == ("firing", True)
    assert telling.told(worse, "ops", LATER + 1, POLICY).told["ops"].severity == "critical"


@pytest.mark.parametrize(
    "quiet",
    [
        {"owner": "ana"}, {"silence": 1}, {"inhibited_by": "engine/a"}, {"condition": "unknown"},
    ],
)  # fmt: skip
def test_nobody_is_told_of_what_is_looked_after_or_kept_quiet_or_unknown(quiet: dict):
    assert drafts([replace(alert(), **quiet)]) == ()


def test_a_channel_hears_what_it_asked_for():
    info, warning = alert(severity="info"), alert()
    critical = alert(severity="critical", project=None)
    everything = [info, warning, critical]
    heard = [d.alerts for d in drafts(everything, [channel(severity="info")])]
    assert sorted(one.severity for d in heard for one in d) == ["critical", "info", "warning"]
    assert [d.alerts for d in drafts(everything, [channel(severity="critical")])] == [(critical,)]
    assert [d.alerts for d in drafts(everything, [channel(projects=("lora",))])] == [(warning,)]
    assert drafts(everything, [channel(projects=("clip",))]) == ()


def test_the_first_six_messages_of_a_quiet_group_go_at_once_and_the_seventh_waits():
    recent: list[Message] = []
    for number in range(POLICY.burst):
        begun = NOW + 10 * number
        one = alert(key=f"run/lora/{number}", at=begun)
        assert drafts([one], recent=recent, now=begun + WAIT - 1) == ()
        (draft,) = drafts([one], recent=recent, now=begun + WAIT)
        assert (draft.what, draft.alerts) == ("firing", (one,))
        recent.append(sent(draft, begun + WAIT))
    last = recent[-1].created_at
    late = alert(key="run/lora/late", at=last)
    assert drafts([late], recent=recent, now=last + POLICY.digest_s - 1) == ()
    (draft,) = drafts([late], recent=recent, now=last + POLICY.digest_s)
    assert (draft.what, draft.alerts) == ("firing", (late,)), "one alert is no digest"
    quiet = last + POLICY.digest_s + 1
    assert drafts([late], recent=recent, now=quiet + POLICY.refill_s) != ()


def test_a_clock_set_back_keeps_nothing_waiting():
    (first,) = drafts([alert()])
    future = sent(first, LATER + 86_400)
    assert len(drafts([alert()], recent=[future])) == 1


def test_more_than_there_is_room_for_is_one_digest_of_all_that_waits():
    alerts = [alert(key=f"run/p{n}/a", project=f"p{n}") for n in range(POLICY.burst + 1)]
    assert [d.what for d in drafts(alerts[:-1])] == ["firing"] * POLICY.burst
    young = alert(key="run/young/a", project="young", at=LATER - 1)
    (first,) = drafts([*alerts, young])
    assert (first.what, len(first.alerts)) == ("digest", POLICY.burst + 2)
    recent = [sent(first)]
    late = alert(key="run/q/a", project="q", at=LATER)
    assert drafts([late], recent=recent, now=LATER + POLICY.digest_s - 1) == ()
    assert [d.alerts for d in drafts([late], recent=recent, now=LATER + POLICY.digest_s)] == [
        (late,)
    ]


def test_what_becomes_critical_goes_at_once_while_the_rest_waits_and_takes_it_along():
    alerts = [alert(key=f"run/p{n}/a", project=f"p{n}") for n in range(POLICY.burst + 1)]
    recent = [sent(draft) for draft in drafts(alerts)]
    waiting, now = alert(key="run/q/a", project="q", at=LATER), LATER
    for number in range(POLICY.urgent):
        bad = alert(key=f"disk/{number}", severity="critical", at=now)
        (draft,) = drafts([waiting, bad], recent=recent, now=now + WAIT)
        assert (draft.what, draft.critical, draft.alerts) == ("digest", True, (bad, waiting))
        now += WAIT
        recent.append(sent(draft, now))
    bad = alert(key="disk/more", severity="critical", at=now)
    assert drafts([bad], recent=recent, now=now + POLICY.digest_s - 1) == ()
    assert [d.alerts for d in drafts([bad], recent=recent, now=now + POLICY.digest_s)] == [(bad,)]
    still = told(replace(bad, told={}), LATER - POLICY.remind_s[0])
    assert drafts([still], recent=recent, now=now + POLICY.digest_s) == (), "that is no news"


def test_after_many_messages_without_quiet_what_is_critical_waits_as_long_as_the_rest():
    (first,) = drafts([alert()])
    bad = alert(key="disk/a", severity="critical")
    for number, told_now in ((POLICY.most - 1, 1), (POLICY.most, 0)):
        recent = [sent(first)] * number
        assert len(drafts([bad], recent=recent, now=LATER + 60)) == told_now
    assert len(drafts([bad], recent=recent, now=LATER + POLICY.digest_most_s)) == 1


def test_reminders_of_all_are_one_message_and_those_that_are_due_soon_go_along():
    early = round(900 * POLICY.remind_early)
    times = {"a": 0.0, "b": early - 1, "c": early + 1}
    alerts = [
        told(alert(key=f"run/{name}/x", project=name), LATER + at) for name, at in times.items()
    ]
    assert drafts(alerts, now=LATER + 899) == ()
    (draft,) = drafts(alerts, now=LATER + 900)
    assert draft.what == "reminder"
    assert {one.key for one in draft.alerts} == {one.key for one in alerts[:2]}
    assert words.title(draft).startswith("2 alerts still open [2 projects]: 2 warning")
    again = told(alerts[1], LATER + 900)
    assert again.told["ops"].at == LATER + early - 1, "early reminders move no later ones"
    assert drafts([again], now=LATER + early + 3598) == ()
    assert len(drafts([again], now=LATER + early + 3599)) == 1


def test_what_nobody_acknowledges_is_told_again_more_and_more_rarely():
    one, times = told(alert()), []
    for step in range(1, 2000):
        now = LATER + step * 60
        for _ in drafts([one], now=now):
            times.append(now - LATER)
            one = told(one, now)
    assert times == list(POLICY.remind_s)


def test_a_controller_that_was_away_reminds_once():
    one = told(alert())
    now = LATER + POLICY.remind_s[2]
    assert [d.what for d in drafts([one], now=now)] == ["reminder"]
    assert drafts([told(one, now)], now=now + 60) == ()


def test_an_escalation_is_told_what_nobody_acknowledged_in_time():
    boss = channel("boss", escalation=True)
    one = told(alert(severity="critical"))
    due = LATER + POLICY.escalate_s["critical"]
    assert [d.channel for d in drafts([one], [OPS, boss], now=due - 1)] == []
    assert [d.channel for d in drafts([one], [OPS, boss], now=due)] == ["ops", "boss"]
    owned = replace(one, owner="ana")
    assert drafts([owned], [OPS, boss], now=due) == ()


def test_an_end_is_told_when_it_has_lasted_to_those_who_heard_of_the_begin():
    over = told(alert(event(), ok()))
    over = replace(over, told={"ops": Told(LATER, "warning")})
    at = NOW + 60 + POLICY.settle_s
    both = [OPS, channel("other")]
    assert drafts([over], both, now=at - 1) == ()
    (draft,) = drafts([over], both, now=at)
    assert (draft.what, draft.channel, draft.critical) == ("resolved", "ops", False)
    done = told(over, at)
    assert drafts([done], both, now=at + 999) == ()
    here = frozenset({"ops"})
    assert not telling.settled(over, here, at + POLICY.reopen_s, POLICY)
    assert telling.settled(over, frozenset(), at + POLICY.reopen_s, POLICY)
    assert not telling.settled(done, here, NOW + 60 + POLICY.reopen_s - 1, POLICY)
    assert telling.settled(done, here, NOW + 60 + POLICY.reopen_s, POLICY)


def test_a_channel_is_not_told_that_it_does_not_work():
    broken = alert(key="channel/ops", labels={"channel": "ops"})
    found = drafts([broken], [OPS, channel("other")])
    assert [draft.channel for draft in found] == ["other"]


def test_in_quiet_hours_only_what_is_critical_is_told_and_the_rest_afterwards():
    minute = datetime.fromtimestamp(LATER, UTC)
    begin = minute.hour * 60 + minute.minute
    quiet = Quiet(begin, (begin + 60) % 1440)
    night = [channel(quiet=quiet)]
    mild, bad = alert(), alert(key="disk/d", severity="critical")
    short = alert(event("run/lora/short"), ok("run/lora/short", NOW + 1))
    assert [d.alerts for d in drafts([mild, bad, short], night)] == [(bad,)]
    owned = replace(told(bad), owner="ana")
    (morning,) = drafts([mild, owned, short], night, now=LATER + 3600)
    assert morning.alerts == (mild,)


@pytest.mark.parametrize(
    ("span", "clock", "is_quiet"),
    [
        ("22:00-07:00", "23:30", True), ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False), ("22:00-07:00", "21:59", False),
        ("12:00-13:00", "12:00", True), ("12:00-13:00", "13:00", False),
    ],
)  # fmt: skip
def test_quiet_hours_may_go_over_midnight(span: str, clock: str, is_quiet: bool):
    at = datetime.fromisoformat(f"2026-07-01T{clock}:30+00:00").timestamp()
    assert hours.within(hours.parse(span), at) is is_quiet
    berlin = datetime.fromisoformat(f"2026-07-01T{clock}:30+02:00").timestamp()
    assert hours.within(hours.parse(span, "Europe/Berlin"), berlin) is is_quiet


@pytest.mark.parametrize("text", ["", "22-7", "24:00-01:00", "22:00-22:00", "22:60-23:00"])
def test_hours_that_are_none_are_refused(text: str):
    with pytest.raises(InputError, match="quiet hours"):
        hours.parse(text)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", ""])
def test_a_time_zone_that_is_none_is_refused(zone: str):
    with pytest.raises(InputError, match="time zone"):
        hours.parse("22:00-07:00", zone)
    assert hours.written(hours.parse("22:00-07:05")) == "22:00-07:05 UTC"


# Words


def test_a_message_says_what_where_since_when_why_and_what_to_do():
    one = replace(
        alert(
            event(
                said="Run a failed on studio.", cause="Out of memory.", suggestion="Take less.",
                link="/run?run=1",
            )
        ),
        id=7, count=1200,
    )  # fmt: skip
    (draft,) = drafts([one])
    assert words.title(draft) == "Warning: run/lora/sgd is not well [lora]"
    assert words.body(draft, "http://here:8501", 10).splitlines() == [
        "Run a failed on studio.",
        "Where: project lora. Since 2027-01-15 08:00 UTC, seen 1,200 times.",
        "Likely cause: Out of memory.",
        "What to do: Take less.",
        "http://here:8501/run?run=1",
        "Alert 7: `mlops alerts show 7` or http://here:8501/alerts?alert=7",
    ]


@pytest.mark.parametrize(
    ("cause", "label"),
    [("thermal", "Why, with its chart"), (NO_CAUSE, "What was looked at for its cause")],
)
def test_a_message_leads_to_what_was_searched(cause: str, label: str):
    one = alert(event(labels={CAUSE: cause, WHY: "/monitoring?part=causes"}))
    (draft,) = drafts([one])
    assert f"{label}: http://here/monitoring?part=causes" in words.body(draft, "http://here", 10)
    assert words.why_label(one) == label


def test_what_has_no_cause_says_so():
    (draft,) = drafts([alert(event(said="Run a failed."))])
    assert "Likely cause: none found yet." in words.body(draft, "", 10).splitlines()


def test_a_cause_without_a_chart_leads_to_what_shows_it():
    page = "/workflows?dag=a&run=b"
    (draft,) = drafts([alert(event(said="Run b failed.", labels={"why": page}))])
    assert f"What shows why: http://here{page}" in words.body(draft, "http://here", 10).splitlines()


def test_of_several_alerts_each_says_what_where_since_when_why_and_what_to_do():
    why = {"why": "/monitoring?cause=version"}
    first = alert(
        key="drift/lora/a", severity="critical", title="The inputs of a drifted",
        said="4 of 20 drifted.", cause="Version 3 answers.", suggestion="Go back.",
        link="/monitoring?deployment=lora.a", labels=why,
    )  # fmt: skip
    second = replace(alert(key="drift/lora/b", said="2 of 20 drifted.", at=NOW + 60), id=8)
    over = replace(alert(event("drift/lora/c"), ok("drift/lora/c")), id=9)
    draft = Draft("ops", "digest", False, "digest", (first, second, over))
    assert words.body(draft, "http://here", 10).split("\n\n") == [
        "1. Critical: The inputs of a drifted [lora], since 2027-01-15 08:00 UTC\n"
        "4 of 20 drifted.\n"
        "Likely cause: Version 3 answers.\n"
        "What to do: Go back.\n"
        "http://here/monitoring?deployment=lora.a\n"
        "Why, with its chart: http://here/monitoring?cause=version",
        "2. Warning: drift/lora/b is not well [lora], since 2027-01-15 08:01 UTC\n"
        "2 of 20 drifted.\n"
        "Likely cause: none found yet.\n"
        "http://here/alerts?alert=8",
        "3. Resolved: drift/lora/c is not well [lora]\n"
        "It is well. It lasted from 2027-01-15 08:00 UTC to 2027-01-15 08:01 UTC.\n"
        "http://here/alerts?alert=9",
        "All of them: http://here/alerts",
    ]


def test_many_alerts_are_told_by_the_worst_and_their_number():
    alerts = [alert(key=f"run/lora/{n}") for n in range(10_000)]
    (draft,) = drafts(alerts)
    assert words.title(draft).startswith("10,000 alerts [lora]: 10,000 warning; first run/lora/0")
    *told, end = words.body(draft, "", 10).split("\n\n")
    assert len(told) == 10
    assert end.splitlines() == [
        "… and 9,990 more: 9,990 × run of lora.",
        "`mlops alerts list` lists them.",
    ]


def test_a_long_message_is_cut_between_alerts_and_keeps_its_link():
    alerts = [alert(key=f"run/lora/{n}", said="x" * 280) for n in range(8)]
    text = words.body(drafts(alerts)[0], "http://here", 10)
    short = words.fitted(text, 2000)
    assert len(short) <= 2000
    *told, left, end = short.split("\n\n")
    assert told == text.split("\n\n")[: len(told)]
    assert left == f"… and {8 - len(told)} more, for which this service has no room."
    assert end == "All of them: http://here/alerts"
    assert words.fitted(text, len(text)) == text


@pytest.mark.parametrize("limit", [*range(0, 400, 7), 1024, 2000])
def test_one_alert_is_cut_between_lines(limit: int):
    text = words.body(drafts([alert(event(said="s" * 200, cause="c" * 900))])[0], "http://here", 10)
    short = words.fitted(text, limit)
    assert len(short) <= max(1, limit)
    if 400 <= limit < len(text):
        assert short.splitlines()[0] == "s" * 200
        assert short.splitlines()[-1] == text.splitlines()[-1]


def test_an_end_is_told_with_its_evidence():
    over = replace(alert(event(), ok()), id=3)
    draft = Draft("ops", "resolved", False, "g", (over,))
    assert words.title(draft) == "Resolved: run/lora/sgd is not well [lora]"
    assert words.body(draft, "", 10).splitlines()[:2] == [
        "It is well.",
        "It lasted from 2027-01-15 08:00 UTC to 2027-01-15 08:01 UTC, project lora.",
    ]


def test_no_line_is_longer_than_people_read():
    long = alert(event(title="x" * 500, said="y\n" * 5000))
    (draft,) = drafts([long])
    assert len(words.title(draft)) <= 160
    assert max(len(line) for line in words.body(draft, "", 10).splitlines()) <= 1200
    (many,) = drafts([long, replace(long, key="run/lora/b")])
    assert max(len(line) for line in words.body(many, "", 10).splitlines()) <= 300
