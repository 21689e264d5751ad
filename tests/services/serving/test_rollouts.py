from dataclasses import replace

import pytest

from services.serving.drift import Found
from services.serving.figures import VersionFigures
from services.serving.models import Guards
from tests.services.serving.lab import NAME
from tests.services.serving.simulated import MB, Simulation, endpoint, rollout, target


def steps(made):
    return [(one.name, one.state) for one in made.run.rollout.status().steps]


def test_a_first_version_is_loaded_checked_and_live():
    made = Simulation(endpoint(rollout=rollout(1)))
    seen = []
    for _ in range(80):
        made.turn()
        seen.append(made.phase)
    way = ["waiting", "loading", "checking", "switching", "watching", "live"]
    assert list(dict.fromkeys(seen)) == way
    ((version, live, said),) = made.ended
    assert (version, live) == (1, True)
    assert said.startswith("It is live: ")
    assert "nobody asked it in the 5 s it was watched." in said
    assert made.answering == {1}
    assert all(state == "done" for _, state in steps(made))


def test_a_good_update_never_leaves_the_endpoint_without_a_model_server(first):
    first.deploy(2)
    for _ in range(120):
        first.turn()
        assert first.answering
    assert first.answering == {2}
    assert {one.version for one, _, _ in first.servers.values()} == {2}


@pytest.mark.parametrize(
    ("how", "said"),
    [("load", "another network"), ("crash", "It ended"), ("answer", "NaN")],
)
def test_a_bad_update_goes_back_and_the_live_version_answers_all_along(first, how, said):
    first.bad[2] = how
    first.deploy(2)
    for _ in range(120):
        first.turn()
        assert first.answering == {1}
    (version, live, why) = first.ended[-1]
    assert (version, live) == (2, False)
    assert said in why
    assert first.desired == endpoint(live=target(1))
    assert {one.version for one, _, _ in first.servers.values()} == {1}
    status = first.run.status(first.now)
    assert (status.phase, status.rollout.outcome) == ("live", "rolled-back")
    assert any(step.state == "failed" for step in status.rollout.steps)


def test_a_first_version_that_is_bad_is_wanted_no_longer_and_its_reason_is_told():
    made = Simulation(endpoint(rollout=rollout(1)))
    made.bad[1] = "load"
    made.pass_time(20)
    assert made.desired is None
    status = made.run.status(made.now)
    assert (status.phase, status.rollout.outcome) == ("failed", "failed")
    assert "another network" in status.said
    assert not made.servers
    assert made.run.finished
    assert not made.run.forgotten(made.now)  # whoever waits for it reads why
    assert made.run.forgotten(made.now + 1000)


def test_errors_while_it_is_watched_take_it_back(first):
    first.deploy(2, watch_s=60)
    first.pass_time(10)
    assert first.phase == "watching"
    assert first.answering == {2}
    first.passing[2] = VersionFigures(2, total=100, total_errors=50, requests=100, errors=50)
    first.turn()
    assert first.answering == {1}
    assert "50 of 100 requests failed (50 %)" in first.ended[-1][2] or first.turn() is None
    first.pass_time(20)
    assert first.ended[-1][:2] == (2, False)
    assert {one.version for one, _, _ in first.servers.values()} == {1}


def test_a_slow_version_is_taken_back_by_the_latency_before_the_switch(first):
    first.passing[1] = VersionFigures(1, total=500, requests=100, p95_ms=40.0)
    first.deploy(2, watch_s=60)
    first.pass_time(10)
    first.passing[2] = VersionFigures(2, total=50, requests=50, p95_ms=200.0)
    first.pass_time(1)
    assert "5.0 times" in first.ended[-1][2]
    assert first.answering == {1}


def test_a_hot_machine_takes_a_new_version_back_unless_it_was_hot_before(first):
    first.thermal = 4
    first.deploy(2, guards=Guards(max_thermal_level=2))
    first.pass_time(30)
    assert first.answering == {2}
    first.thermal = 0
    first.deploy(3, watch_s=60, guards=Guards(max_thermal_level=2))
    first.pass_time(10)
    first.thermal = 3
    first.pass_time(1)
    assert first.answering == {2}
    assert "thermal level 3" in first.ended[-1][2]


def test_a_canary_takes_its_share_until_it_is_promoted(first):
    first.deploy(2, strategy="canary", share=0.2)
    first.pass_time(60)
    assert first.phase == "canary"
    assert first.route.shares == {1: 0.8, 2: 0.2}
    assert first.route.primary == 1
    first.desired = replace(first.desired, rollout=replace(first.desired.rollout, share=0.5))
    first.turn()
    assert first.route.shares == {1: 0.5, 2: 0.5}
    first.desired = replace(first.desired, rollout=replace(first.desired.rollout, promote=True))
    first.pass_time(20)
    assert first.route.shares == {2: 1.0}
    assert first.desired == endpoint(live=target(2))


def test_a_canary_by_header_gets_no_request_that_names_no_version(first):
    first.deploy(2, strategy="canary", header=True)
    first.pass_time(10)
    assert first.route.shares == {1: 1.0}
    assert set(first.route.versions) == {1, 2}


def test_a_canary_with_errors_goes_back_by_itself(first):
    first.deploy(2, strategy="canary", share=0.1)
    first.pass_time(10)
    first.passing[2] = VersionFigures(2, total=30, total_errors=3, requests=30)
    first.pass_time(1)
    assert first.route.shares == {1: 1.0}
    assert first.ended[-1][1] is False


def test_a_shadow_is_asked_and_never_answers(first):
    first.deploy(2, strategy="shadow")
    first.passing[2] = VersionFigures(2, compared=10, differing=3)
    first.pass_time(10)
    assert first.route.shadow == 2
    assert first.route.shares == {1: 1.0}
    shown = next(one for one in first.run.rollout.status().steps if one.name == "Shadow")
    assert shown.said.endswith("3 of 10 answers differ.")


def drifted(share, said="2 of 3 columns of its answers drifted."):
    return Found(NAME, 2, 0.0, share, said)


GUARDED = Guards(max_drift=0.5)


@pytest.mark.parametrize("strategy", ["blue-green", "canary", "shadow"])
def test_answers_that_drifted_take_it_back_while_it_is_watched(first, strategy):
    first.deploy(2, strategy=strategy, share=0.2, watch_s=60, guards=GUARDED)
    first.drift = drifted(0.4)
    first.pass_time(10)
    assert first.phase in {"watching", "canary", "shadow"}
    first.drift = drifted(2 / 3)
    first.pass_time(1)
    assert first.answering == {1}
    said = "2 of 3 columns of its answers drifted. At most 50 % of the columns may."
    assert first.ended[-1] == (2, False, said)
    failed = [one for one in first.run.rollout.status().steps if one.state == "failed"]
    assert [one.said for one in failed] == [said]


def test_drift_that_was_not_measured_takes_nothing_back_and_is_told(first):
    few = "Not enough predictions to compare yet: 12 of the new version, of 500 it takes."
    first.deploy(2, guards=GUARDED)
    first.drift = drifted(None, few)
    first.pass_time(5)
    watch = first.run.rollout.status().steps[-1]
    assert (watch.state, watch.said) == ("running", f"For 5 s. {few}")
    first.pass_time(30)
    assert first.answering == {2}
    assert first.run.rollout.status().steps[-1].said.endswith(f"nobody asked it. {few}")


def test_a_canary_tells_what_was_compared_so_far(first):
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.drift = drifted(0.0, "None of 3 columns of its answers drifted.")
    first.pass_time(10)
    canary = next(one for one in first.run.rollout.status().steps if one.name == "Canary")
    assert canary.said == (
        "It answers 20 % of the requests. None of 3 columns of its answers drifted."
    )


def test_a_person_ends_a_rollout(first):
    first.deploy(2, strategy="canary", share=0.3)
    first.pass_time(10)
    first.desired = replace(first.desired, rollout=None)
    first.turn()
    assert first.route.shares == {1: 1.0}
    assert first.run.status(first.now).rollout.outcome == "aborted"
    first.pass_time(20)
    assert {one.version for one, _, _ in first.servers.values()} == {1}


def test_another_rollout_in_place_of_one_under_way_begins_anew(first):
    first.deploy(2, strategy="canary", share=0.3)
    first.pass_time(10)
    first.deploy(3)
    first.pass_time(40)
    assert first.answering == {3}
    assert {one.version for one, _, _ in first.servers.values()} == {3}


def test_the_same_version_with_other_memory_is_rolled_out_beside_itself(first):
    first.deploy(1, action_id=9, target=target(1, memory_bytes=200 * MB))
    for _ in range(120):
        first.turn()
        assert first.answering == {1}
    assert [one.memory_bytes for one, _, _ in first.servers.values()] == [200 * MB]


def test_an_update_gets_as_many_model_servers_as_the_live_version_has():
    made = Simulation(
        endpoint(rollout=rollout(1, target=target(1, min_replicas=3, max_replicas=3)))
    )
    made.pass_time(20)
    assert len(made.route.versions[1].replicas) == 3
    made.deploy(2, target=target(2, min_replicas=1, max_replicas=3))
    for _ in range(40):
        made.turn()
        version = made.route.versions[max(made.route.shares)]
        assert len(version.replicas) == 3


def test_a_gateway_that_follows_makes_the_switch_known_at_once(first):
    first.deploy(2)
    first.pass_time(20)
    switch = next(one for one in first.run.rollout.status().steps if one.name == "Switch")
    assert switch.said.startswith("Done in ")


def test_without_a_gateway_a_rollout_goes_on_too(first):
    first.gateway = False
    first.deploy(2)
    first.pass_time(30)
    assert first.answering == {2}


def test_what_the_journal_does_not_know_yet_is_not_taken_back(first, monkeypatch):
    first.deploy(2)
    monkeypatch.setattr(first, "_note", lambda: None)  # the journal cannot be written
    first.pass_time(60)
    assert first.answering == {2}
    monkeypatch.undo()
    first.pass_time(2)
    assert first.desired == endpoint(live=target(2))
    assert first.answering == {2}


def test_nobody_wants_it_any_more(first):
    first.desired = None
    first.turn()
    first.pass_time(20)
    assert not first.servers
    assert first.run.status(first.now).phase == "stopped"
    assert first.run.finished


# While the journal does not know yet


def undecided(first, monkeypatch):
    """Follow a rollout until its version is live here, and the journal was not told."""
    first.deploy(2)
    monkeypatch.setattr(first, "_note", lambda: None)
    first.pass_time(60)
    assert first.run.ended().live
    monkeypatch.undo()


def test_who_ends_a_rollout_in_the_moment_it_is_live_gets_the_version_before(first, monkeypatch):
    undecided(first, monkeypatch)
    first.desired = endpoint(live=target(1))
    first.run.noted(None, first.now)  # it is not wanted any more
    for _ in range(40):
        first.turn()
        assert first.answering == {1}
    assert first.run.status(first.now).rollout.outcome == "aborted"
    assert {one.version for one, _, _ in first.servers.values()} == {1}


def test_what_the_journal_knew_before_the_engine_stays_live(first, monkeypatch):
    undecided(first, monkeypatch)
    first.desired = endpoint(live=target(2))  # written, and the answer was lost
    first.run.noted(None, first.now)
    for _ in range(40):
        first.turn()
        assert first.answering == {2}
    assert {one.version for one, _, _ in first.servers.values()} == {2}


def test_who_takes_it_out_of_service_in_that_moment_ends_both_versions(first, monkeypatch):
    undecided(first, monkeypatch)
    first.desired = None
    first.pass_time(20)
    assert not first.servers
    assert first.run.finished
