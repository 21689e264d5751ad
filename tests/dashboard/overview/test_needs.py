from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dashboard.overview import needs
from dashboard.overview.needs import BadRuns, Need, foremost, ordered
from services.actions.records import ActionRecord
from services.alerting import engine
from services.mirror.models import Freshness, ProjectSummary, Run
from tests.dashboard.registry.versions import model, version
from tests.services.alerting.things import alert, event, unknown

AT = datetime(2026, 11, 1, tzinfo=UTC)


def need(severity: str, state: str, hour: int | None, waits: str = "firing") -> Need:
    at = None if hour is None else AT + timedelta(hours=hour)
    return Need(severity, state, "s", "t", at, "run", "Look", waits=waits)  # type: ignore[arg-type]


def run(number: int, status: str, project: str = "p", why: str = "") -> Run:
    return Run(
        run_id=f"{number:032x}",
        project=project,
        experiment_id="1",
        name=f"run-{number}",
        status=status,  # type: ignore[arg-type]
        status_reason=why,
        technique=None,
        baseline=False,
        started_at=AT + timedelta(hours=number),
        ended_at=None,
        user=None,
        host=None,
        archived=False,
        metrics={},
        params={},
        tags={},
    )


def project(state: str = "connected", reasons: tuple[str, ...] = ()) -> ProjectSummary:
    return ProjectSummary(
        id="p",
        title="The project",
        kind="easy",
        priority=5,
        path="",
        state=state,  # type: ignore[arg-type]
        reasons=reasons,
        conformance=None,
        checks=(),
        primary_metric="acc",
        goal="max",
        gates={"acc": ">= 0.5"},
        runs=0,
        running=0,
        failed=0,
        lost=0,
        models=0,
        versions=0,
        champion=None,
        last_run_at=None,
        best=None,
        trend=(),
    )


def record(number: int, state: str, title: str = "Promote m") -> ActionRecord:
    at = AT + timedelta(hours=number)
    words = ("error", "", "") if state == "failed" else ("", "", "done")
    return ActionRecord(number, "promote", "p", title, {}, "ana", state, *words, at, at, ())  # type: ignore[arg-type]


kinds = st.builds(
    need,
    st.sampled_from(["critical", "warning", "info"]),
    st.sampled_from(["failed", "lost", "waiting", "broken"]),
    st.one_of(st.none(), st.integers(0, 100)),
    st.sampled_from(["firing", "unknown", "acknowledged"]),
)


@given(st.lists(kinds, max_size=20), st.integers(0, 8), st.integers(1, 3))
def test_what_is_first_and_the_rest_are_everything_once(found: list[Need], most: int, each: int):
    first, rest = foremost(ordered(found), most, each)

    assert len(first) == min(most, len(found))
    assert sorted(map(repr, first + rest)) == sorted(map(repr, found))


@given(st.lists(kinds, max_size=20))
def test_what_nobody_looks_after_comes_first_the_worst_of_it_the_newest_of_that(found: list[Need]):
    keys = [
        (
            ["firing", "unknown", "acknowledged"].index(n.waits),
            ["critical", "warning", "info"].index(n.severity),
            n.at is None,
            -(n.at or AT).timestamp(),
        )
        for n in ordered(found)
    ]

    assert keys == sorted(keys)


def test_what_is_critical_is_behind_nothing():
    many = [need("critical", "critical", hour) for hour in range(5)]

    first, rest = foremost(ordered([*many, need("warning", "failed", 9)]), 4)

    assert [n.severity for n in first] == ["critical"] * 4
    assert len(rest) == 2


def test_what_an_open_alert_tells_is_told_once():
    found = (
        replace(need("warning", "failed", 1), same_as="run/p/"),
        replace(need("warning", "failed", 1), same_as="run/other/"),
        replace(need("critical", "down", 1), same_as="engine/mlflow"),
        replace(need("critical", "failed", 1), same_as="endpoint/p.m"),
        need("info", "waiting", 1),
    )

    left = needs.untold(found, ["run/p/lora", "engine/mlflow2", "endpoint/p.m", "drift/p/m/data"])

    assert [n.same_as for n in left] == ["run/other/", "engine/mlflow", ""]


def test_an_alert_says_what_why_and_who_looks_after_it():
    fired = alert(event(said="Run a failed.", cause="Out of memory."))
    mine = engine.acknowledged(fired, "ben", "", 1.0)
    away = alert(event(said="Run a failed."), unknown())

    found = needs.of_alerts([replace(fired, id=7), mine, away])

    assert [n.sentence for n in found] == [
        "Run a failed. Likely cause: Out of memory.",
        "ben looks after it. Run a failed.",
        "Nobody can tell. Before: Run a failed.",
    ]
    assert [n.state for n in found] == ["warning", "acknowledged", "unknown"]
    assert (found[0].page, found[0].params) == ("alerts", {"alert": "7"})


def test_many_failed_runs_do_not_hide_a_decision():
    many = [need("warning", "failed", hour) for hour in range(9)]
    first, rest = foremost(ordered([*many, need("info", "waiting", 1)]), 4)

    assert [n.state for n in first] == ["failed", "failed", "failed", "waiting"]
    assert len(rest) == 6


def test_one_failed_run_links_to_it_and_many_to_their_list():
    bad = [BadRuns("p", "failed", 1, run(1, "failed")), BadRuns("q", "failed", 9, run(2, "failed"))]

    one, many = needs.of_runs(bad, {"p": "The project"})

    assert (one.subject, one.page, one.params) == ("The project", "run", {"run": f"{1:032x}"})
    assert (many.subject, many.page) == ("q", "experiments")
    assert many.params == {"project": "q", "q": "status = failed"}
    assert many.sentence == "9 runs failed, the newest run-2."


def test_a_lost_run_says_why():
    newest = run(1, "lost", why="No heartbeat.")

    (lost,) = needs.of_runs([BadRuns("p", "lost", 1, newest)], {})

    assert lost.sentence == "Run run-1 is lost: No heartbeat."


def test_a_broken_project_says_its_reason_and_since_when():
    (found,) = needs.of_projects([project("broken", ("Line 3.",)), project()], {"p": AT})

    assert (found.sentence, found.at, found.label) == ("Line 3.", AT, "Mend")


def test_a_version_that_beats_the_champion_waits_for_approvers():
    held = model(version(1, 0.6, champion=True), version(2, 0.7))

    (found,) = needs.of_models([held], {"p": project()}, lambda _: frozenset({1}), approver=True)

    assert found.label == "Decide"
    assert found.params["version"] == "2"
    assert found.sentence == (
        "Version 2 with acc 0.7000 passes all gates and beats champion version 1 (0.6000)."
    )


def test_a_version_that_was_rolled_back_does_not_wait_again():
    held = model(version(1, 0.6, champion=True), version(2, 0.7))

    found = needs.of_models([held], {"p": project()}, lambda _: frozenset({1, 2}), approver=True)

    assert found == ()


def test_a_failed_action_needs_somebody_until_it_was_done():
    (found,) = needs.of_actions([record(2, "failed"), record(1, "failed")])

    assert found.at == AT + timedelta(hours=2)
    assert needs.of_actions([record(2, "done"), record(1, "failed")]) == ()


def test_an_engine_that_is_down_says_what_to_do():
    engines = [
        Freshness("mlflow", "MLflow", "down", AT, AT, "Nothing listens.", "Start it."),
        Freshness("controller", "Controller", "live", AT, AT, "", ""),
    ]

    (found,) = needs.of_engines(engines)

    assert (found.subject, found.sentence) == ("MLflow", "Nothing listens. Start it.")
