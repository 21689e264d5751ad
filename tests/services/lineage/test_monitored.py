"""Verdicts, alerts and retrainings as they are kept, walked both ways."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.actions.journal import Journal
from services.alerting import deciding, store
from services.alerting.models import Policy
from services.alerting.rules import drift
from services.errors import NotFoundError
from services.home import Home
from services.lineage.models import Ref, numbered
from services.lineage.monitored import Monitored, monitored
from services.monitoring.models import Family, Severity, Verdict, VerdictState
from services.monitoring.store import VerdictStore
from services.retraining import store as retrainings
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, NEXT, RETRAIN, RUN
from tests.services.lineage.conftest import Asker
from tests.services.retraining.things import evidence, proposal

HOUR = 3600.0
BEGUN = seed.NOW - 6 * HOUR


def verdict(
    name: str, hour: int, state: VerdictState, kind: Family = "data", severity: Severity = "none"
) -> Verdict:
    at = BEGUN + hour * HOUR
    return Verdict(
        name, LORA, LORA, 1, kind, at, "evaluation", at - HOUR, at, 20, (), None, severity, state,
        f"{kind} is {state}.",
    )  # fmt: skip


CHECKS = (
    verdict("well", 0, "steady"), verdict("few", 1, "too few"),
    verdict("begun", 2, "drifted", severity="medium"), verdict("still", 3, "drifted"),
    verdict("unknown", 4, "unknown"), verdict("newest", 5, "drifted", severity="high"),
    verdict("other", 5, "steady", "prediction"),
)  # fmt: skip


@pytest.fixture
def kept(home: Home) -> Iterator[VerdictStore]:
    made = VerdictStore(home)
    for one in CHECKS:
        made.record([one])
    yield made
    made.close()


@pytest.fixture
def alert(journal: Journal, kept: VerdictStore) -> str:
    """The alert that the rule of drift made of the checks, an hour at a time."""
    for one in CHECKS:
        deciding.decide(journal, drift.events([one]), one.computed_at, Policy())
    return next(str(one.id) for one in store.alerts(journal, [LORA]))


@pytest.fixture
def retraining(journal: Journal, alert: str) -> str:
    """What answers the alert, as the controller keeps it."""
    told = evidence(int(alert), at=seed.NOW - HOUR)
    kept = retrainings.put(journal, proposal(
        0, project=LORA, model=LORA, alert_id=int(alert), created_at=seed.NOW - HOUR,
        evidence=(told,),
    ))  # fmt: skip
    running = replace(kept, state="running", workflow=(RETRAIN, "two"))
    return str(retrainings.change(journal, kept.id, lambda _now: (running, ())).id)


@pytest.fixture
def watched(home: Home, journal: Journal, kept: VerdictStore, retraining: str) -> Monitored:
    del kept, retraining
    return monitored(journal, home)


def test_verdicts_that_tell_the_story_are_shown_and_all_are_counted(watched: Monitored):
    found, total = watched.verdicts(LORA, LORA, 1, 10)
    assert [one.id for one in found] == ["other", "newest", "begun", "well"]
    assert total == 7
    assert [one.said for one in found] == ["steady", "drifted, high", "drifted, medium", "steady"]
    assert [one.id for one in watched.verdicts(LORA, LORA, 1, 2)[0]] == ["other", "newest"]
    assert watched.verdicts(LORA, LORA, 2, 10) == ((), 0)


def test_an_alert_rests_on_what_raised_it_and_on_what_says_so_still(watched: Monitored, alert: str):
    found = watched.alert(alert)
    assert found is not None
    assert found.verdicts == ("begun", "newest")
    assert found.said == "firing, critical"
    for name in ("begun", "still", "newest"):
        assert [one.id for one in watched.alerts(name, 5)[0]] == [alert]
    for name in ("well", "few", "unknown", "other", "nothing"):
        assert watched.alerts(name, 5) == ((), 0)


def test_who_looks_after_an_alert_is_said(watched: Monitored, journal: Journal, alert: str):
    store.acknowledge(journal, int(alert), "ana", "", seed.NOW)
    found = watched.alert(alert)
    assert found is not None
    assert found.said == "acknowledged by ana, critical"


def test_an_alert_that_ended_covers_no_later_verdict(watched: Monitored, journal: Journal,
                                                      kept: VerdictStore, alert: str):  # fmt: skip
    end, later = verdict("well-again", 7, "steady"), verdict("later", 9, "drifted")
    for one in (end, later):
        kept.record([one])
    deciding.decide(journal, drift.events([end]), end.computed_at, Policy())
    assert watched.alerts("later", 5) == ((), 0)
    deciding.decide(journal, drift.events([later]), later.computed_at, Policy())
    (after,), _ = watched.alerts("later", 5)
    assert after.id != alert
    assert [one.id for one in watched.alerts("begun", 5)[0]] == [alert]


def test_from_the_alert_the_whole_thread_is_walked_both_ways(
    ask: Asker, watched: Monitored, alert: str, retraining: str
):
    here = ask(watched=watched)
    thread = here.thread(Ref("alert", alert))
    ids = {one.id for one in thread.nodes}
    assert {
        f"data:{DATA}", f"run:{RUN}", f"version:{LORA}/{LORA}:1", "verdict:begun",
        "verdict:newest", f"retraining:{retraining}", f"workflow:{RETRAIN}/two", f"run:{NEXT}",
        f"version:{LORA}/{LORA}:2",
    } <= ids  # fmt: skip
    assert thread.unknown == ()
    for end in (numbered("predictions", LORA, LORA, 1), Ref("retraining", retraining)):
        assert f"alert:{alert}" in {one.id for one in here.thread(end).nodes}
    assert f"alert:{alert}" in {one.id for one in here.thread(Ref("run", NEXT), ("up",)).nodes}


def test_an_alert_is_found_by_its_number_and_a_verdict_by_its_id(
    ask: Asker, watched: Monitored, alert: str, retraining: str
):
    here = ask(watched=watched)
    assert here.find("begun") == (Ref("verdict", "begun"),)
    assert Ref("alert", alert) in here.find(alert)
    assert Ref("retraining", retraining) in here.find(retraining)


def test_who_sees_other_projects_alone_is_told_that_there_is_no_such_alert(
    ask: Asker, watched: Monitored, alert: str
):
    with pytest.raises(NotFoundError):
        ask((CLIP,), watched).thread(Ref("alert", alert))
    with pytest.raises(NotFoundError):
        ask((CLIP,), watched).thread(Ref("verdict", "begun"))


@pytest.mark.parametrize("name", ["", "x", "-1", "1" * 40, "²"])
def test_what_is_no_number_is_no_alert(watched: Monitored, name: str):
    assert watched.alert(name) is None
    assert watched.retraining(name) is None
    assert watched.retrainings(name, 5) == ((), 0)


def test_an_alert_whose_verdict_is_kept_no_more_says_so(
    ask: Asker, journal: Journal, kept: VerdictStore, watched: Monitored, alert: str
):
    kept.prune(seed.NOW + HOUR)
    thread = ask(watched=watched).thread(Ref("alert", alert))
    (lost,) = (one for one in thread.nodes if one.ref.kind == "verdict")
    assert (lost.id, lost.state) == ("verdict:newest", "gone")


def test_where_nothing_was_checked_threads_end_at_the_predictions(
    ask: Asker, home: Home, journal: Journal
):
    here = monitored(journal, home)
    assert here.verdicts(LORA, LORA, 1, 5) == ((), 0)
    assert here.verdict("begun") is None
    assert not (home.root / "monitoring").exists()
    thread = ask(watched=here).thread(numbered("version", LORA, LORA, 1), ("down",))
    assert not {"verdict", "alert"} & {one.ref.kind for one in thread.nodes}


def test_an_alert_of_something_else_stands_alone(
    ask: Asker, journal: Journal, watched: Monitored, alert: str
):
    from tests.services.alerting.things import event

    deciding.decide(journal, [event("disk/db", at=seed.NOW)], seed.NOW, Policy())
    number = next(str(one.id) for one in store.alerts(journal, key="disk/db"))
    thread = ask(watched=watched).thread(Ref("alert", number))
    assert [one.id for one in thread.nodes] == [f"alert:{number}"]


def test_the_index_is_opened_once_and_only_when_it_is_asked(
    home: Home, journal: Journal, kept: VerdictStore, monkeypatch: pytest.MonkeyPatch
):
    opened: list[int] = []
    real: Callable[..., None] = VerdictStore.__init__

    def counted(self: VerdictStore, place: Home) -> None:
        opened.append(1)
        real(self, place)

    monkeypatch.setattr(VerdictStore, "__init__", counted)
    here = monitored(journal, home)
    assert opened == []
    for _ in range(3):
        here.verdict("begun")
    assert opened == [1]
