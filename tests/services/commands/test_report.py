"""``mlops report list``, ``schedule``, ``unschedule`` and ``schedules``."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.actions.journal import Journal
from services.alerting import channels
from services.alerting.models import Channel
from services.cli import mlops
from services.home import Home
from services.reports import schedules
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import LORA


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    return made


def typed(*words: str) -> Result:
    return CliRunner().invoke(mlops, ["report", *words])


def test_a_schedule_is_set_listed_made_and_taken_away(home: Home):
    journal = Journal.open(Settings())
    channels.put(journal, Channel("ops", "json"))
    assert "No report is made by the calendar." in typed("schedules").stdout
    done = typed("schedule", "--project", LORA, "--every", "day", "--hour", "6", "--channel", "ops")
    assert done.exit_code == 0, done.output
    assert "done" in done.stdout
    assert "06:00 UTC" in done.stdout
    listed = typed("schedules").stdout
    assert f"{LORA}\tday\t06:00 UTC\tops" in listed
    assert "No report is kept." in typed("list").stdout
    (made,) = schedules.make_due(home, time.time() + 86_400, journal)
    line = typed("list").stdout
    assert made.name in line
    assert f"{made.name}.html" in line
    assert typed("unschedule", "--project", LORA, "--every", "day").exit_code == 0
    again = typed("unschedule", "--project", LORA, "--every", "day")
    assert (again.exit_code, again.stderr.startswith("Error: ")) == (1, True)
    assert made.name in typed("list", "--project", LORA).stdout
    assert "No report is kept." in typed("list", "--project", "other").stdout
    journal.close()


def test_json_has_the_documented_keys(home: Home):
    typed("schedule", "--every", "month")
    (one,) = json.loads(typed("schedules", "--json").stdout)
    assert set(one) == {
        "name", "project", "every", "hour", "zone", "channels", "next", "report", "trouble",
    }  # fmt: skip
    assert (one["name"], one["project"], one["report"]) == ("*/month", None, None)
    assert one["next"].endswith("Z")
    journal = Journal.open(Settings())
    schedules.make_due(home, time.time() + 40 * 86_400, journal)
    journal.close()
    (made,) = json.loads(typed("list", "--json").stdout)
    assert set(made) == {
        "name", "project", "since", "until", "made_at", "by", "schedule", "bytes", "missing",
        "link", "file",
    }  # fmt: skip
    assert Path(made["file"]).read_text().startswith("<!doctype html>")
    assert made["missing"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2), (("schedule", "--every", "year"), 2), (("schedule",), 2),
        (("schedule", "--every", "day", "--zone", "Mars/Base"), 2),
        (("schedule", "--every", "day", "--channel", "nobody"), 1),
        (("schedule", "--every", "day", "--project", "nobody"), 1),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(home: Home, words: tuple[str, ...], code: int):
    done = typed(*words)
    assert done.exit_code == code
    assert done.stderr
    assert not done.exception or isinstance(done.exception, SystemExit)
