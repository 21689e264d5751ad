"""What the charts of a deployment are made of."""

from datetime import UTC, datetime

from dashboard.deployments import live
from dashboard.scope import Scope
from services.predictions.answers import Bucket
from services.serving.store import Event

NOW = 1_790_000_003.0


def bucket(at: float, requests: int, errors: int = 0) -> Bucket:
    return Bucket(at, requests, requests, errors, 1.0, 2.0, 3.0)


def test_of_all_time_the_last_hour_is_drawn_in_whole_steps():
    over = live.window(Scope(None, "all"), NOW)
    assert (over.count, over.step_s) == (240, 15.0)
    assert over.end == 1_790_000_003 // 15 * 15
    assert live.window(Scope(None, "7d"), NOW).count <= 240
    assert live.window(Scope(None, "1h"), NOW) == over


def test_a_step_without_an_answer_had_no_request_and_no_latency():
    over = live.Window(0.0, 30.0, 10.0)
    found = (bucket(0.0, 20, 5), bucket(20.0, 10))
    asked, latency, failed = live.panels(over, found, {1: found})
    assert list(asked.lines[0].values) == [2.0, 0.0, 1.0]
    assert list(latency.lines[1].values) == [2.0, None, 2.0]
    assert list(failed.lines[0].values) == [25.0, None, 0.0]


def test_two_versions_are_told_apart():
    over = live.Window(0.0, 10.0, 10.0)
    found = (bucket(0.0, 1),)
    asked, latency, _ = live.panels(over, found, {1: found, 2: ()})
    assert [line.name for line in asked.lines] == ["version 1", "version 2"]
    assert [line.name for line in latency.lines][-1] == "p95 of version 2"


def test_what_was_done_is_marked_but_not_how_it_breathes():
    over = live.Window(0.0, 100.0, 10.0)
    events = [
        Event(3, 90.0, "a.b", 2, "rolled-back", "", None, ""),
        Event(2, 50.0, "a.b", None, "scaled", "", None, ""),
        Event(1, 10.0, "a.b", 2, "deploy", "", None, ""),
        Event(0, -5.0, "a.b", 1, "live", "", None, ""),
    ]
    marks = live.marks(events, over)
    assert [(one.label, one.tone) for one in marks] == [
        ("2 deployed", "quiet"), ("2 rolled back", "bad"),
    ]  # fmt: skip
    assert marks[0].at == datetime.fromtimestamp(10.0, UTC)
