"""``mlops alerts``: what is looked for, in what order, and what each alert led to."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.actions.journal import Journal
from services.alerting import deciding, store
from services.alerting.models import Event, Policy
from services.alerting.rules import retraining
from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.retraining import store as retrainings
from services.settings import Settings
from tests.services.retraining.things import evidence, proposal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    engine, _ = schema.prepare(Settings().mirror_url)
    Store(engine).write_project("lora", "connected", {"title": "LoRA"})
    Store(engine).write_project("clip", "connected", {"title": "CLIP"})
    engine.dispose()
    return made


def typed(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(mlops, ["alerts", *words])
    assert result.exit_code == code, result.output
    return result


def keys(*words: str) -> list[str]:
    return [row["key"] for row in json.loads(typed("list", "--json", *words).output)]


def fire(
    key: str, ago: float = 60.0, state: str = "firing", severity: str = "warning",
    project: str | None = "lora", **said: object,
) -> None:  # fmt: skip
    journal, now = Journal.open(Settings()), time.time()
    one = Event(key, now - ago, state, severity, project, title=key, **said)  # type: ignore[arg-type]
    deciding.decide(journal, [one], now, Policy())
    journal.close()


@pytest.fixture
def some() -> None:
    fire("run/lora/old", 3 * 86_400.0)
    fire("drift/lora/net/data", severity="critical", said="The column age moved by 50 %.")
    fire("drift/clip/net/data", severity="info", project="clip")
    fire("engine/airflow", project=None)
    fire("run/lora/over", 50)
    fire("run/lora/over", 40, "ok", said="It finished.")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "engine/airflow drift/clip/net/data drift/lora/net/data run/lora/old"),
        ("--severity critical --severity info", "drift/clip/net/data drift/lora/net/data"),
        ("--kind run --kind engine", "engine/airflow run/lora/old"),
        ("--kind ru", ""),
        ("--kind run --all", "run/lora/over run/lora/old"),
        ("--state resolved", "run/lora/over"),
        ("--state firing --kind engine", "engine/airflow"),
        ("--find AGE", "drift/lora/net/data"),
        ("--find 50%", ""),
        ("--since 2h --kind run --all", "run/lora/over"),
        ("--since 2020-01-01 --kind run", "run/lora/old"),
        ("--project lora --since 9d", "drift/lora/net/data run/lora/old"),
    ],
)
@pytest.mark.usefixtures("some")
def test_what_is_looked_for_is_found_and_nothing_else(words: str, found: str):
    assert keys(*words.split()) == found.split()


@pytest.mark.usefixtures("some")
def test_what_is_no_filter_is_said():
    assert typed("list", "--find", "nowhere").output == "No alert has what is looked for.\n"
    assert "2h" in typed("list", "--since", "soon", code=2).output
    for words in (("--severity", "bad"), ("--state", "gone"), ("--inbox", "--kind", "run"),
                  ("--inbox", "--all"), ("--inbox", "--since", "2h")):  # fmt: skip
        typed("list", *words, code=2)


@pytest.mark.usefixtures("some")
def test_the_inbox_is_in_the_pages_order_with_the_decisions():
    def rows(*words: str) -> list[tuple[str, str, str]]:
        said = json.loads(typed("list", "--inbox", "--json", *words).output)
        return [(row["kind"], row["title"], row["act"]) for row in said]

    journal = Journal.open(Settings())
    at = time.time() - 70
    draft = proposal(0, created_at=at, evidence=(evidence(7, at=at),))
    one = retrainings.put(journal, draft)
    waits = f"A retraining of {one.model} waits for an approver"
    wanted = [
        ("alert", "drift/lora/net/data", "Acknowledge"),
        ("alert", "engine/airflow", "Acknowledge"),
        ("approval", waits, "Decide"),
        ("alert", "run/lora/old", "Acknowledge"),
        ("alert", "drift/clip/net/data", "Acknowledge"),
    ]
    assert rows() == wanted
    assert rows("--severity", "critical") == wanted[:1]
    assert rows("--project", "clip") == wanted[4:]
    assert rows("--limit", "2") == wanted[:2]
    # As soon as an alert tells of it, it is that alert, and no more.
    told = retraining.events((one,), {}, {}, {}, time.time(), frozenset())
    deciding.decide(journal, told, time.time(), Policy())
    assert [row for row in rows() if row[1] == waits] == [("alert", waits, "Decide")]
    (alert,) = store.alerts(journal, kind="retraining")
    assert f"alert\t{alert.id}\twarning\tfiring\tlora\t{waits}" in typed("list", "--inbox").output
    mine = proposal(0, model="mine", requested_by=f"os:{Home.locate().root.owner()}")
    retrainings.put(journal, mine)
    assert len(rows()) == 5  # nobody decides about what they asked for
    journal.close()


def test_an_inbox_with_nothing_in_it_says_so():
    assert typed("list", "--inbox").output == "Nothing needs you.\n"


@pytest.mark.usefixtures("some")
def test_several_are_acknowledged_and_one_that_ended_keeps_none_waiting():
    journal = Journal.open(Settings())
    of = {one.key: one.id for one in store.alerts(journal, ended=True)}
    first, second = of["run/lora/old"], of["engine/airflow"]
    typed("ack", str(first), "999", code=1)
    assert store.alert(journal, first).owner is None  # a wrong number is said before anything
    said = typed("ack", str(of["run/lora/over"]), str(first), str(second), str(first), "--note",
                 "I look.", code=1).output  # fmt: skip
    assert "1 of 3 alerts could not be acknowledged." in said
    assert "has ended: It finished." in said
    for one in (first, second):
        assert store.alert(journal, one).note == "I look."
    assert "has ended" in typed("ack", str(of["run/lora/over"]), code=1).output
    typed("ack", code=2)
    journal.close()


def test_it_is_shown_what_an_alert_led_to():
    fire("drift/lora/net/data", severity="critical")
    journal = Journal.open(Settings())
    (alert,) = store.alerts(journal)
    typed("ack", str(alert.id))
    typed("silence", str(alert.id), "--for", "2h", "--reason", f"See {alert.thread}.")
    draft = proposal(0, said="It trains.", state="running", evidence=(evidence(alert.id),))
    put = retrainings.put(journal, draft)
    shown = typed("show", str(alert.id)).output
    assert f"It led to retraining {put.id} of net, which is running: It trains." in shown
    assert "drift/lora/net/data, done: silence 1" in shown
    assert "Acknowledge alert" not in shown  # its owner is told already
    said = json.loads(typed("show", str(alert.id), "--json").output)
    assert [(one["id"], one["state"], one["said"]) for one in said["retrainings"]] == [
        (put.id, "running", "It trains.")
    ]
    assert [one["kind"] for one in said["actions"]] == ["alert-ack", "alert-silence"]
    journal.close()
