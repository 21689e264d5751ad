"""Checks over time out of the index: a word each, the worst of a stretch, version by version."""

import pytest
from sqlalchemy import event, text

from services.monitoring import courses
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore
from services.monitoring.tables import OVER_TIME

HOUR_S = 3600.0
BEGIN = 1_795_953_600.0


@pytest.fixture
def store(home):
    made = VerdictStore(home)
    yield made
    made.close()


def kept(store, hour, *states: str, project="p", model="m", version=3, report=None):
    """Keep a check of the first families, in states as ``drifted high``."""
    at = BEGIN + hour * HOUR_S
    made = []
    for kind, said in zip(courses.FAMILIES, states, strict=False):
        state, _, severity = said.partition(", ")
        made.append(Verdict(
            f"{project}{model}{version}-{hour}-{kind}", project, model, version, kind, at, "b", at,
            at + 1, 10 + hour, (), None, severity or "none", state, "x", report,
        ))  # fmt: skip
    store.record(made)
    return made


def test_a_strip_has_the_worst_of_each_stretch_and_gaps(store):
    for hour, said in enumerate(("steady", "too few", "drifted, low", "drifted, high", "unknown")):
        kept(store, hour, said)
    kept(store, 7, "steady")
    kept(store, 99, "drifted, high")  # after the last stretch
    found = courses.strips(store, BEGIN, 2 * HOUR_S, 5)
    key = ("p", "m", 3, "data")
    assert found == {key: ("steady", "high", "unknown", "steady", None)}
    assert courses.strips(store, BEGIN + 2 * HOUR_S, HOUR_S, 2)[key] == ("low", "high")


def test_a_drift_without_a_severity_is_low_everywhere(store):
    kept(store, 0, "drifted")
    assert courses.degree("drifted", "none") == "low"
    assert courses.strips(store, BEGIN, HOUR_S, 1)["p", "m", 3, "data"] == ("low",)


@pytest.mark.parametrize("state", ["steady", "too few", "unknown"])
def test_what_did_not_drift_is_its_state(store, state):
    kept(store, 0, state)
    assert courses.degree(state, "none") == state
    assert courses.strips(store, BEGIN, HOUR_S, 1)["p", "m", 3, "data"] == (state,)


def test_the_newest_of_each_version_and_kind_is_the_one_written_last(store):
    kept(store, 5, "drifted, high", "steady")
    kept(store, 2, "steady", "steady")  # a clock that was set back
    kept(store, 1, "too few", version=4)
    found = courses.newest(store)
    assert {key[2:]: one.state for key, one in found.items()} == {
        (3, "data"): "steady", (3, "prediction"): "steady", (4, "data"): "too few",
    }  # fmt: skip
    assert courses.versions(store, "p", "m") == (4, 3)
    assert courses.versions(store, "p", "other") == ()


def test_the_checks_of_a_version_come_in_order_with_all_their_verdicts(store):
    kept(store, 0, "steady", "drifted, medium", "too few", "unknown")
    kept(store, 1, "drifted, high", "steady")
    kept(store, 2, "steady", version=4)
    kept(store, 3, "steady", model="n")
    first, second = courses.checks(store, "p", "m", 3)
    assert dict(first.degrees) == {
        "data": "steady", "prediction": "medium", "quality": "too few", "accuracy": "unknown",
    }  # fmt: skip
    assert (first.worst, second.worst) == ("medium", "high")
    assert (first.rows, second.rows) == (10, 11)
    assert dict(second.degrees) == {"data": "high", "prediction": "steady"}
    assert {one.kind for one in store.check(first.id)} == set(courses.FAMILIES)
    assert courses.checks(store, "p", "m", 3, limit=1) == (second,)
    assert courses.checks(store, "p", "m", 3, since=BEGIN + 1) == (second,)
    assert courses.checks(store, "p", "q", 3) == ()


def test_the_number_moves_with_each_check(store):
    assert courses.number(store) == 0
    kept(store, 0, "steady")
    first = courses.number(store)
    kept(store, 1, "steady")
    assert courses.number(store) > first > 0


def test_a_report_that_was_removed_is_not_told_any_more(store):
    (one,) = kept(store, 0, "steady", report="reports/x.html")
    assert store.check(one.id)[0].report == "reports/x.html"
    store.prune_reports(BEGIN + HOUR_S)
    assert store.check(one.id)[0].report is None
    assert store.verdict(one.id).report is None


def test_strips_read_no_sentence(store):
    asked = []

    def listen(_connection, cursor, statement, parameters, *_: object):
        asked.append((cursor, statement, parameters))

    event.listen(store._engine, "before_cursor_execute", listen)
    courses.strips(store, BEGIN, HOUR_S, 3)
    ((_, statement, parameters),) = asked
    with store._engine.connect() as connection:
        told = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert any("USING COVERING INDEX verdicts_over_time" in row[-1] for row in told)


def test_an_index_of_before_gets_what_strips_need(home):
    before = VerdictStore(home)
    kept(before, 0, "steady")
    with before._engine.begin() as connection:
        OVER_TIME.drop(connection)
    before.close()
    after = VerdictStore(home)
    found = after.ask(text("SELECT name FROM sqlite_master WHERE type = 'index'"))
    after.close()
    assert "verdicts_over_time" in {row.name for row in found}
