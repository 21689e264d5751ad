from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dashboard.overview import needs
from dashboard.overview.needs import BadRuns, Need, foremost, ordered
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.alerting import engine
from services.mirror.models import Freshness, ProjectSummary, Run
from tests.dashboard.registry.versions import model, version
from tests.services.alerting.things import alert, event, unknown
from tests.services.retraining.things import accepted, evidence, proposal

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

    found = needs.of_alerts([replace(fired, id=7), mine, away], Actor("ana", "approver"))

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


def test_a_retraining_waits_with_why_and_what_it_takes_and_leads_to_where_it_is_decided():
    ana = Actor("ana", "approver", ("lora",))
    (one,) = needs.of_proposals((proposal(), accepted(2)), ana)
    assert (one.subject, one.state, one.label) == ("Retraining of net", "waiting", "Decide")
    assert one.sentence == (
        "Waits for an approver: 3 of 20 columns drifted. It takes 10 min (8 to 14, 5 before) and "
        "500 J (400 to 700, 5 before), by history."
    )
    assert (one.page, one.params) == ("monitoring", {"retraining": "1"})


def test_a_retraining_stands_in_the_way_of_nobody_who_cannot_decide_about_it():
    for who in (
        Actor("ana", "viewer"), Actor("ana", "operator"), Actor("ana", "approver", ("clip",)),
        Actor("mira", "approver"), Actor("mira", "admin"),
    ):  # fmt: skip
        assert needs.of_proposals((proposal(requested_by="mira"),), who) == ()
    assert len(needs.of_proposals((proposal(requested_by="mira"),), Actor("ana", "admin"))) == 1


def test_a_retraining_is_never_as_pressing_as_its_alert_and_its_cost_is_never_cut_off():
    ana = Actor("ana", "admin")
    found = [
        needs.of_proposals((proposal(evidence=(evidence(7, severity),)),), ana)[0].severity
        for severity in ("info", "warning", "critical")
    ]
    assert found == ["info", "warning", "warning"]
    (long,) = needs.of_proposals((proposal(why="so\n" * 900, minutes=None),), ana)
    assert "so so" in long.sentence
    assert "… It takes an unknown time and 500 J" in long.sentence
    (bare,) = needs.of_proposals((proposal(why="it is wrong"),), ana)
    assert "it is wrong. It takes" in bare.sentence
