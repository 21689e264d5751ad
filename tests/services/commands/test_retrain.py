"""``mlops retrain``, without a controller: this process executes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.commands import acting
from tests.services.actions.conftest import close
from tests.services.retraining.lab import Lab, made

Typed = Callable[..., Result]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    found = made(tmp_path, monkeypatch)
    monkeypatch.setattr(acting, "context", lambda: found.context)
    yield found
    close(found.context)


@pytest.fixture
def typed(lab: Lab) -> Typed:
    def run(*words: str, said: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(mlops, ["retrain", *words], input=said)
        assert result.exit_code == code, result.output
        return result

    return run


def test_what_was_proposed_is_listed_and_told_whole(lab: Lab, typed: Typed):
    assert typed("list").output == "No retraining waits or is under way.\n"
    lab.alert()
    lab.watch.turn()
    (row,) = typed("list").output.splitlines()
    assert row.split("\t")[:5] == ["1", "open", "lora/net", "2", "policy:retraining"]
    (shape,) = json.loads(typed("list", "--json", "--project", "lora").output)
    assert shape["minutes"] == {"median": 1.0, "low": 1.0, "high": 1.0, "count": 2}
    assert (shape["gain"], shape["data"]["newer"], shape["alerts"]) == (None, None, [1])
    told = typed("show", "1").output
    assert "It takes 1 min (2 before) and 30 J (2 before), by history." in told
    assert "alert\tplatform\tdrift/lora/net/data" in told
    whole = json.loads(typed("show", "1", "--json").output)
    assert [line["what"] for line in whole["thread_events"]] == ["alert", "proposed"]


def test_it_is_accepted_after_what_follows_was_told(lab: Lab, typed: Typed):
    lab.alert()
    lab.watch.turn()
    refused = typed("accept", "1", said="n\n", code=1).output
    assert "One that passes answers 10 % of the requests beside version 2" in refused
    assert lab.one().state == "open"
    done = typed("accept", "1", "--yes", "--note", "go")
    assert "Accept retraining 1: done." in done.output
    assert "when the platform runs" in done.output
    assert (lab.one().state, lab.one().reason) == ("accepted", "go")
    again = typed("accept", "1", "--yes", code=1).output
    assert "was decided by os:" in again


def test_the_owner_cannot_accept_what_they_proposed(lab: Lab, typed: Typed):
    typed("propose", "lora/net", "--why", "It mixes up 3 and 8.", "--yes")
    assert "cannot approve it as well" in typed("accept", "1", "--yes", code=1).output
    typed("dismiss", "1", "--reason", "It was the camera.")
    assert lab.one().state == "dismissed"
    assert "It was the camera." in typed("list", "--all", "--json").output
    assert typed("list", "--state", "open").output.startswith("No retraining")


def test_a_policy_is_shown_and_changed_option_by_option(typed: Typed):
    assert "Alerts lead to proposals" in typed("policy", "lora").output
    typed("policy", "lora", "--mode", "automatic", "--budget-joules", "5000")
    typed("policy", "lora", "--cooldown-h", "48")
    found = json.loads(typed("policy", "lora", "--json").output)
    assert (found["mode"], found["budget_joules"], found["cooldown_h"]) == (
        "automatic", 5000.0, 48.0,
    )  # fmt: skip
    typed("policy", "lora", "--budget-joules", "-1")
    assert json.loads(typed("policy", "lora", "--json").output)["budget_joules"] is None
    assert "it is 0 to" in typed("policy", "lora", "--cooldown-h", "-4", code=2).output
    assert "nowhere" in typed("policy", "nowhere", code=1).output


def test_rows_are_collected_first_where_training_reads_them(lab: Lab, typed: Typed):
    lab.context.data.configure("lora", lab.folder / "lora")
    said = typed("policy", "lora", "--collect", "labelled", code=2).output
    assert "LoRA does not learn from collected rows" in said
    contract = lab.folder / "lora" / "pyproject.toml"
    contract.write_text(contract.read_text() + 'data = ["data/"]\ncollected = true\n')
    (lab.folder / "lora" / "data").mkdir()
    told = typed("policy", "lora", "--collect", "labelled", "--collect-rows", "40").output
    assert "labelled rows of what the model was asked are collected: 40 at least" in told
    found = json.loads(typed("policy", "lora", "--json").output)
    assert (found["collect"], found["collect_rows"]) == ("labelled", 40)
    lab.alert()
    lab.watch.turn()
    assert "No request of this time has a label" in typed("accept", "1", "--yes", code=1).output
    lab.predicted(2, 30, 0.5)
    few = typed("accept", "1", "--yes", code=1).output
    assert "There are 30 new labelled rows of what net was asked; 40 are needed." in few
    typed("accept", "1", "--yes", "--collect-rows", "30")
    lab.until(lambda one: one.state == "running")
    (shape,) = json.loads(typed("list", "--json").output)
    assert shape["collected"] == shape["data"]["revision"] is not None
    assert (shape["data"]["rows"], shape["data"]["lacks"]) == (30, "")


def test_what_is_not_there_is_said(typed: Typed):
    assert "There is no retraining 9." in typed("show", "9", code=1).output
    assert "no registered model" in typed("propose", "lora/x", "--why", "y", "--yes", code=1).output
