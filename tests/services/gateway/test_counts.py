"""Percentiles of the last minute, figures, and OpenMetrics."""

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import metrics
from services.gateway.counts import Counts
from services.gateway.histogram import SLOTS, Rolling
from services.serving.routes import Route, Routes
from services.serving.store import ALL_PROJECTS, ApiKey


@given(st.lists(st.floats(0.1, 100_000), min_size=1, max_size=200))
def test_percentiles_are_right_to_some_per_cent(latencies: list[float]):
    rolling = Rolling()
    for ms in latencies:
        rolling.add(1000.0, ms)
    for share, found in zip(
        (0.5, 0.95, 0.99), rolling.percentiles(1000.0, 0.5, 0.95, 0.99), strict=True
    ):
        ordered = sorted(latencies)
        place = max(1, -(-len(ordered) * share // 1))
        assert found == pytest.approx(ordered[int(place) - 1], rel=0.04)


def test_the_window_forgets_what_is_older_than_a_minute():
    rolling = Rolling()
    for second in range(200):
        rolling.add(1000.0 + second, 5.0, error=second % 2 == 0)
    assert rolling.requests == SLOTS
    assert rolling.errors == SLOTS // 2
    assert rolling.percentiles(1199.0, 0.5)[0] == pytest.approx(5.0, rel=0.04)
    assert rolling.percentiles(1300.0, 0.5) == (None,)
    assert (rolling.requests, rolling.errors) == (0, 0)


def test_a_clock_that_goes_back_counts_on():
    rolling = Rolling()
    rolling.add(1000.0, 5.0)
    rolling.add(900.0, 5.0)
    assert rolling.requests == 2


def test_what_the_asker_did_wrong_is_no_error_and_no_latency():
    counts = Counts()
    count = counts.of("p.m", 1, "p")
    for status in (200, 400, 404, 429, 503, 500, 502, 504):
        count.done(status, 10.0, 1)
    figures = counts.figures(7).of("p.m", 1)
    assert (figures.total, figures.total_errors) == (8, 3)
    assert (figures.requests, figures.errors, figures.refused) == (8, 3, 2)
    assert count.rows == 1


def test_a_version_that_is_gone_is_forgotten_when_it_is_quiet():
    counts = Counts()
    kept, gone = counts.of("p.m", 1, "p"), counts.of("p.m", 2, "p")
    gone.in_flight = 1
    routes = Routes(1, {"p.m": Route("p.m", "p", "m", 1, {1: 1.0}, {1: None})})  # type: ignore[dict-item]
    counts.forget(routes)
    assert set(counts.all["p.m"]) == {1, 2}
    gone.in_flight = 0
    counts.forget(routes)
    assert set(counts.all["p.m"]) == {1}
    kept.done(200, 1.0, 1)
    counts.forget(Routes())
    assert set(counts.all) == {"p.m"}  # the minute is not over


LINE = re.compile(r'^[a-z_]+(\{([a-z]+="(\\.|[^"\\])*",?)*\})? -?[0-9.]+$')


def test_the_text_is_openmetrics_whatever_names_hold():
    counts = Counts()
    counts.of('p.a"b\\c\nd', 1, "p").done(200, 3.0, 2)
    counts.of("q.m", 1, "q").done(200, 3.0, 2)
    counts.missed(404)
    text = metrics.text(counts).decode()
    lines = text.splitlines()
    assert lines[-1] == "# EOF"
    assert all(line.startswith("# ") or LINE.match(line) for line in lines), text
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(set(families)) == len(families)
    for line in lines:
        if not line.startswith("#"):
            assert any(line.startswith(family) for family in families), line
    mine = metrics.text(counts, lambda project, model: (project, model) == ("q", "m")).decode()
    assert "q.m" in mine
    assert 'project="p"' not in mine


def test_buckets_are_cumulative_and_end_with_all():
    counts = Counts()
    count = counts.of("p.m", 1, "p")
    for ms in (0.5, 1.0, 3.0, 99_999.0):
        count.done(200, ms, 1)
    text = metrics.text(counts).decode()
    found = [int(n) for n in re.findall(r"duration_seconds_bucket\{.*\} (\d+)", text)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (2, 4)


def test_a_clock_that_was_wrong_does_not_hold_the_window(monkeypatch):
    """Set ahead and put right: what was counted then is a minute old after a minute."""
    now = SimpleNamespace(wall=2e9, monotonic=1000.0)
    clocks = SimpleNamespace(time=lambda: now.wall, monotonic=lambda: now.monotonic)
    monkeypatch.setattr("services.gateway.counts.time", clocks)
    counts = Counts()
    counts.of("p.m", 1, "p").done(500, 1.0, 1)
    assert counts.figures(0).of("p.m", 1).errors == 1
    now.wall, now.monotonic = 1.9e9, 1100.0
    counts.of("p.m", 1, "p").done(200, 1.0, 1)
    figures = counts.figures(0)
    assert figures.at == 1.9e9
    assert (figures.of("p.m", 1).requests, figures.of("p.m", 1).errors) == (1, 0)
    assert figures.of("p.m", 1).last_at == 1.9e9


def test_a_key_sees_the_series_of_the_models_that_it_opens():
    counts = Counts()
    for project, model in (("p", "one"), ("p", "two"), ("q.r", "one")):
        counts.of(f"{project}.{model}", 1, project).done(200, 3.0, 2)

    def seen(project: str, *models: str) -> set[str]:
        key = ApiKey("1", project, "", "", models or None, 0.0, 0, 0.0, "tests")
        text = metrics.text(counts, key.opens).decode()
        return set(re.findall(r'requests_total\{endpoint="([^"]*)"', text))

    assert seen("p") == {"p.one", "p.two"}
    assert seen("p", "two") == {"p.two"}
    assert seen("q.r") == {"q.r.one"}
    assert seen(ALL_PROJECTS) == {"p.one", "p.two", "q.r.one"}
