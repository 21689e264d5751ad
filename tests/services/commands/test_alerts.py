"""``mlops alerts``, without a controller: this process executes."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.actions.journal import Journal
from services.alerting import channels, deciding, delivery, outbox, store
from services.alerting.models import Channel, Event, Message, Policy
from services.cli import mlops
from services.commands import alerts
from services.errors import InputError
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings

Typed = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(delivery, "service_of", lambda _address: "jsons")
    made = Home.locate()
    made.create()
    engine, _ = schema.prepare(Settings().mirror_url)
    Store(engine).write_project("lora", "connected", {"title": "LoRA"})
    engine.dispose()
    return made


@pytest.fixture
def typed(home: Home) -> Typed:
    def run(*words: str, said: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(mlops, ["alerts", *words], input=said)
        assert result.exit_code == code, result.output
        return result

    return run


def fire(*said: Event, now: float | None = None) -> None:
    journal = Journal.open(Settings())
    deciding.decide(journal, said, now or time.time(), Policy())
    journal.close()


def run_event(key: str = "run/lora/sgd", **said: object) -> Event:
    given = {"severity": "critical", "project": "lora", "title": "Run a failed", **said}
    return Event(key, time.time(), "firing", **given)  # type: ignore[arg-type]  # as the class says


def test_alerts_are_listed_in_the_documented_shape(typed: Typed):
    assert typed("list").output == "No alert is open.\n"
    fire(run_event(cause="Memory.", suggestion="Less."), run_event("disk/d", project=None))
    rows = json.loads(typed("list", "--json").output)
    assert [row["key"] for row in rows] == ["disk/d", "run/lora/sgd"]
    documented = {"id", "severity", "project", "title", "state", "since", "count", "cause"}
    assert documented | {"suggestion"} <= set(rows[1])
    assert (rows[1]["state"], rows[1]["cause"], rows[1]["count"]) == ("firing", "Memory.", 1)
    assert rows[1]["since"].endswith("Z")
    assert len(json.loads(typed("list", "--json", "--project", "lora").output)) == 1
    assert "platform\tRun a failed" in typed("list").output
    typed("list", "--project", "nope", code=1)


def test_one_is_shown_with_what_became_of_it(typed: Typed, home: Home):
    journal = Journal.open(Settings())
    channels.put(journal, Channel("ops", "json"))
    fire(run_event(said="It ran out.", cause="Memory.", suggestion="Less.", evidence=("e1",)))
    fire(now=time.time() + 10)
    (one,) = store.alerts(journal)
    shown = typed("show", str(one.id)).output
    for words in ("Run a failed (critical, firing)", "Likely cause: Memory.", "· e1", "told"):
        assert words in shown
    assert "to ops is waiting." in shown
    document = json.loads(typed("show", str(one.id), "--json").output)
    assert [line["what"] for line in document["timeline"]] == ["fired", "told"]
    assert [message["state"] for message in document["messages"]] == ["waiting"]
    assert "no alert 99" in typed("show", "99", code=1).output
    journal.close()


def test_what_explains_one_is_told_by_its_title(typed: Typed):
    down = Event(
        "engine/serving", time.time(), "firing", title="Serving is down",
        explains=("engine:serving",), labels={"engine": "serving"},
    )  # fmt: skip
    fire(down, run_event(labels={"engine": "serving"}))
    (number,) = (
        row["id"] for row in json.loads(typed("list", "--json").output)
        if row["key"] == "run/lora/sgd"
    )  # fmt: skip
    shown = typed("show", str(number)).output.splitlines()
    assert "Explained by: Serving is down" in shown
    assert "Likely cause: none found yet." in shown


def test_one_is_acknowledged_and_silenced_and_the_silence_ended(typed: Typed):
    fire(run_event())
    number = str(json.loads(typed("list", "--json").output)[0]["id"])
    assert "Acknowledge alert" in typed("ack", number, "--note", "on it").output
    (row,) = json.loads(typed("list", "--json").output)
    assert (row["state"], row["note"]) == ("acknowledged", "on it")
    typed("silence", number, "--for", "2h", "--reason", "Known.")
    (silence,) = json.loads(typed("silences", "--json").output)
    assert (silence["pattern"], silence["project"]) == ("run/lora/sgd", "lora")
    assert "Known." in typed("silences").output
    fire()
    assert json.loads(typed("list", "--json").output)[0]["state"] == "silenced"
    typed("unsilence", str(silence["id"]))
    assert typed("silences").output == "Nothing is kept quiet.\n"
    assert json.loads(typed("silences", "--all", "--json").output)[0]["counts"] is False
    typed("unsilence", "99", code=1)
    typed("silence", "run/*", "--for", "2h", code=2)
    typed("silence", "run/*", "--for", "soon", "--reason", "r", code=2)
    typed("silence", "run/*", "--for", "31d", "--reason", "r", code=2)


def test_what_nobody_can_see_is_closed_with_a_reason(typed: Typed):
    fire(run_event())
    number = str(json.loads(typed("list", "--json").output)[0]["id"])
    assert "ends on evidence" in typed("close", number, "--reason", "Over.", code=1).output
    away = Event("run/lora/sgd", time.time() + 1, "unknown", said="Nobody can tell.")
    fire(away, now=time.time() + 2)
    typed("close", number, code=2)
    assert "Close alert" in typed("close", number, "--reason", "It was deleted.").output
    (row,) = json.loads(typed("list", "--json", "--all").output)
    assert (row["state"], row["resolution"].partition(" ")[2]) == (
        "resolved", "closed it: It was deleted.",
    )  # fmt: skip
    assert "closed" in typed("show", number).output


def test_a_channel_is_added_from_a_pipe_listed_without_its_secret_and_removed(
    typed: Typed, home: Home
):
    assert typed("channels").output.startswith("Nobody is told of alerts")
    added = typed(
        "channels", "add", "ops", "--severity", "critical", "--quiet", "22:00-07:00",
        "--project", "lora", said="https://hooks.example/T0/hunter2\n",
    )  # fmt: skip
    (row,) = json.loads(typed("channels", "--json").output)
    assert (row["service"], row["severity"], row["quiet"]) == (
        "jsons",
        "critical",
        "22:00-07:00 UTC",
    )
    for output in (added.output, typed("channels").output, json.dumps(row)):
        assert "hunter2" not in output
    typed("channels", "remove", "ops", said="n\n", code=1)
    typed("channels", "remove", "ops", "--yes")
    assert json.loads(typed("channels", "--json").output) == []
    assert list(home.secrets.glob("alert-channel-*")) == []


def test_a_channel_that_is_refused_leaves_no_secret(typed: Typed, home: Home):
    typed("channels", "add", "ops", "--quiet", "late", said="json://h/", code=2)
    typed("channels", "add", "Ops!", said="json://h/", code=2)
    assert list(home.secrets.glob("alert-channel-*")) == []


def test_a_channel_is_tried(typed: Typed, monkeypatch: pytest.MonkeyPatch):
    got: list[Message] = []
    monkeypatch.setattr(delivery, "deliver", lambda _c, _a, message: got.append(message))
    typed("channels", "add", "ops", said="json://h/")
    assert "it arrived after" in typed("test", "ops").output
    assert [message.what for message in got] == ["test"]
    typed("test", "nobody", code=1)
    journal = Journal.open(Settings())
    assert [message.state for message in outbox.messages(journal)] == ["sent"]
    journal.close()


@pytest.mark.parametrize(("text", "length"), [("30m", 1800), ("2h", 7200), ("7d", 604_800)])
def test_lengths_are_written_as_people_do(text: str, length: int):
    assert alerts.seconds(text) == length
    for wrong in ("", "2", "h", "-1h", "2w", "1h30m"):
        with pytest.raises(InputError):
            alerts.seconds(wrong)
