"""Who is told what, and when: groups, bursts, reminders, quiet hours, ends."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerting import hours, telling, words
from services.alerting.models import Alert, Channel, Message, Quiet, Told
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
    assert drafts([one], now=LATER + POLICY.group_interval_s) == ()


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


def test_the_second_message_of_a_quiet_group_goes_at_once_and_the_third_waits():
    (first,) = drafts([alert()])
    late = alert(key="run/lora/b", at=LATER)
    second = sent(first, LATER + WAIT)
    assert [d.alerts for d in drafts([late], recent=[sent(first)], now=LATER + WAIT)] == [(late,)]
    spoken = [sent(first), second]
    soon = LATER + WAIT + POLICY.group_interval_s
    assert drafts([late], recent=spoken, now=soon - 1) == ()
    assert len(drafts([late], recent=spoken, now=soon)) == 1
    bad = replace(late, severity="critical")
    worst = [sent(replace(first, critical=True))] * 2
    assert len(drafts([bad], recent=[*spoken, *worst], now=LATER + 2 * WAIT)) == 1


def test_a_clock_set_back_keeps_nothing_waiting():
    (first,) = drafts([alert()])
    future = sent(first, LATER + 86_400)
    assert len(drafts([alert()], recent=[future])) == 1


def test_more_than_there_is_room_for_is_one_digest_now_and_then():
    alerts = [alert(key=f"run/p{n}/a", project=f"p{n}") for n in range(POLICY.burst + 1)]
    assert [d.what for d in drafts(alerts[:-1])] == ["firing"] * POLICY.burst
    (first,) = drafts(alerts)
    assert (first.what, len(first.alerts)) == ("digest", POLICY.burst + 1)
    recent = [sent(first)]
    few = [alert(key=f"run/q{n}/a", project=f"q{n}", at=LATER) for n in range(POLICY.burst - 1)]
    more = [*few, alert(key="run/r/a", project="r", at=LATER)]
    assert [d.what for d in drafts(few, recent=recent, now=LATER + WAIT)] == ["firing"] * len(few)
    assert drafts(more, recent=recent, now=LATER + POLICY.trickle_s - 1) == ()
    (digest,) = drafts(more, recent=recent, now=LATER + POLICY.trickle_s)
    assert (digest.what, len(digest.alerts)) == ("digest", len(more))
    bad = alert(key="disk/a", severity="critical", at=LATER)
    assert [d.critical for d in drafts([bad], recent=recent, now=LATER + WAIT)] == [True]


def test_after_a_burst_one_alert_waits_for_the_next_digest():
    alerts = [alert(key=f"run/p{n}/a", project=f"p{n}") for n in range(POLICY.burst)]
    recent = [sent(draft) for draft in drafts(alerts)]
    late = alert(key="run/q/a", project="q", at=LATER)
    assert drafts([late], recent=recent, now=LATER + POLICY.trickle_s - 1) == ()
    assert [d.what for d in drafts([late], recent=recent, now=LATER + POLICY.trickle_s)] == [
        "digest"
    ]


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


# Properties


@st.composite
def storms(draw: st.DrawFn) -> list[tuple[float, Alert]]:
    found = []
    for n in range(draw(st.integers(1, 40))):
        at = NOW + draw(st.integers(0, 600))
        severity = draw(st.sampled_from(["warning", "critical"]))
        kind, project = draw(st.sampled_from("abc")), draw(st.sampled_from(["p", "q", None]))
        made = alert(key=f"{kind}/{n}", at=at, severity=severity, project=project)
        found.append((at, replace(made, id=n + 1)))
    return found


@settings(max_examples=25, deadline=None)
@given(storms())
def test_every_alert_is_told_once_and_messages_are_few(storm):
    present: dict[int, Alert] = {}
    recent: list[Message] = []
    told_of: list[int] = []
    once = replace(POLICY, remind_s=())
    now = NOW
    end = NOW + 600 + POLICY.burst_s + 2 * POLICY.trickle_s
    while now < end:
        present |= {one.id: one for at, one in storm if at <= now and one.id not in present}
        for draft in telling.drafts(present.values(), [OPS], recent, now, once):
            recent.append(sent(draft, now))
            told_of += [one.id for one in draft.alerts]
            for one in draft.alerts:
                present[one.id] = told(one, now)
        now += 10
    assert sorted(told_of) == sorted(one.id for _, one in storm)
    for lane in ("critical", "warning"):
        times = [m.created_at for m in recent if m.severity == lane]
        within = max((sum(t <= u < t + POLICY.burst_s for u in times) for t in times), default=0)
        assert within <= POLICY.burst + POLICY.burst_s / POLICY.trickle_s


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
