"""What alerts led to, in a few queries however many there are."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from services.actions.alerts import AcknowledgeAlert, SilenceAlerts
from services.actions.journal import Journal
from services.actions.retraining import AcceptRetraining
from services.actions.retraining_stop import StopRetraining
from services.alerting import asking
from services.alerting.models import Alert
from services.retraining import outcomes, store
from tests.services.retraining.lab import ANA, OPS, PROJECT, Lab
from tests.services.retraining.things import evidence, proposal


def the(lab: Lab, *ids: int) -> list[Alert]:
    return list(asking.by_id(lab.context.journal, ids).values())


@contextmanager
def counted(journal: Journal) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_c: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            said.append(statement)

    with journal.read() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", note)
    yield said
    event.remove(engine, "before_cursor_execute", note)


def test_an_alert_led_to_its_retraining_and_to_all_that_was_done_for_it(lab: Lab):
    alert, other = lab.alert(), lab.alert("quality")
    lab.done(AcknowledgeAlert(alert, PROJECT, "I look."), OPS)
    lab.watch.turn()
    lab.done(AcceptRetraining(lab.one().id, PROJECT), ANA)
    lab.until(lambda one: one.state == "running")
    lab.trained()
    lab.until(lambda one: one.deploy is not None)
    found = outcomes.of_alerts(lab.context.journal, the(lab, alert, other))
    assert [one.id for one in found[alert].retrainings] == [lab.one().id]
    assert [one.kind for one in found[alert].deeds] == [
        "alert-ack", "retrain-accept", "workflow-launch", "deploy",
    ]  # fmt: skip
    assert [one.kind for one in found[alert].others] == [
        "retrain-accept", "workflow-launch", "deploy",
    ]  # fmt: skip
    assert found[other] == outcomes.Outcome()
    assert outcomes.of_alerts(lab.context.journal, []) == {}


def test_what_names_its_thread_is_its_own_and_that_of_another_project_is_not(lab: Lab):
    alert, other = lab.alert(), lab.alert("quality")
    thread = the(lab, alert)[0].thread
    until = time.time() + 600
    silence = lab.done(SilenceAlerts("drift/lora/net/data", f"See {thread}.", until, PROJECT), OPS)
    with lab.context.journal.write() as connection:
        connection.exec_driver_sql(f"UPDATE actions SET project = 'lora' WHERE id = {silence.id}")
    found = outcomes.of_alerts(lab.context.journal, the(lab, alert, other))
    assert [one.id for one in found[alert].deeds] == [silence.id]
    assert found[other].deeds == ()
    with lab.context.journal.write() as connection:
        connection.exec_driver_sql(f"UPDATE actions SET project = 'clip' WHERE id = {silence.id}")
    assert outcomes.of_alerts(lab.context.journal, the(lab, alert))[alert].deeds == ()


def test_an_alert_about_a_retraining_led_to_what_became_of_that(lab: Lab):
    put = store.put(lab.context.journal, proposal(0, evidence=(evidence(None),)))
    wrong = {"project": PROJECT, "model": "net", "verdict": "v"}
    about = lab.alert("a", labels={**wrong, "retraining": str(put.id)})
    gone = lab.alert("b", labels={**wrong, "retraining": "99"})
    odd = lab.alert("c", labels={**wrong, "retraining": "9" * 40})
    found = outcomes.of_alerts(lab.context.journal, the(lab, about, gone, odd))
    assert found[about].retrainings == (put,)
    assert found[gone].retrainings == found[odd].retrainings == ()


def test_a_page_of_them_takes_as_many_queries_as_one(lab: Lab):
    ids = [lab.alert(f"x{number}") for number in range(50)]
    for number in ids[:40]:
        lab.submit(AcknowledgeAlert(number, PROJECT, ""), OPS)
    store.put(lab.context.journal, proposal(0, evidence=tuple(evidence(one) for one in ids)))
    with counted(lab.context.journal) as one:
        outcomes.of_alerts(lab.context.journal, the(lab, ids[0]))
    with counted(lab.context.journal) as page:
        found = outcomes.of_alerts(lab.context.journal, the(lab, *ids))
    assert len(page) == len(one) <= 6
    assert all(len(each.retrainings) == 1 for each in found.values())
    assert sum(len(each.deeds) for each in found.values()) == 40


def test_that_its_workflow_was_cancelled_is_told(lab: Lab):
    alert = lab.alert()
    lab.look()
    lab.done(AcceptRetraining(lab.one().id, PROJECT), ANA)
    lab.until(lambda one: one.state == "running")
    lab.done(StopRetraining(lab.one().id, PROJECT, "The data has another fault."), OPS)
    lab.until(lambda one: one.cancel is not None)
    found = outcomes.of_alerts(lab.context.journal, the(lab, alert))
    assert [one.kind for one in found[alert].deeds] == [
        "retrain-accept", "workflow-launch", "retrain-stop", "workflow-cancel",
    ]  # fmt: skip
