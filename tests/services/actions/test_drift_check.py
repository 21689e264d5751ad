"""A check that somebody asks for, and the baseline that checks compare with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from services.actions import catalog
from services.actions.action import Action
from services.actions.drift_check import CheckDrift, SetBaseline
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.errors import ConflictError, DeniedError, InputError, MlopsError, NotFoundError
from services.home import Home
from services.monitoring import baselines, told
from services.monitoring.models import Baseline
from services.monitoring.told import Told
from services.serving import routes, store
from services.serving.models import Rollout, Target
from services.serving.routes import Route, Routes
from tests.live import eventually
from tests.services.actions.conftest import Clock
from tests.services.actions.serving_lab import Lab, copied, made
from tests.services.monitoring.predicted import HOUR_S, asked

CHECK = CheckDrift("lora", "net")
VIEWER = Actor("vera", "viewer", None, "user")
Children = list["subprocess.Popen[bytes]"]


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch):
    """Checks that last until a test ends them, and tell what a test has them tell."""
    begun: Children = []

    def start(_home: Home, arguments: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{' '.join(arguments)}\nKilled by hand.\n")
        begun.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return begun[-1]

    monkeypatch.setattr(told, "start", start)
    yield begun
    for child in begun:
        child.kill()
        child.wait()


def line(kind: str, state: str, version: int = 1, **more: object) -> dict[str, object]:
    said = f"The {kind} is {state}."
    return {"version": version, "kind": kind, "state": state, "said": said, "id": f"{kind}-id",
            "fault": None, **more}  # fmt: skip


def tells(lab: Lab, record: ActionRecord, said: Told) -> None:
    told.write(told.path(lab.home, str(lab.record(record).memory["token"])), said)


def of(child: "subprocess.Popen[bytes]", **said: object) -> Told:
    return Told(child.pid, psutil.Process(child.pid).create_time(), **said)  # type: ignore[arg-type]


def test_a_check_tells_how_far_it_is_and_what_it_found(lab: Lab, children: Children):
    lab.live(1)
    record = lab.begin(CheckDrift("lora", "net", report=True))
    assert (record.state, record.steps[0].detail) == ("pending", "it begins")
    tells(lab, record, of(children[0], said="Predictions are read"))
    lab.turn()
    assert lab.record(record).steps[0].detail == "Predictions are read"
    found = (line("data", "drifted"), line("prediction", "steady", fault="No report."))
    tells(lab, record, of(children[0], done=True, lines=found))
    lab.turn()
    ended = lab.record(record)
    assert (ended.state, ended.result) == ("done", "Version 1: The data is drifted.; No report.")
    assert ended.memory["verdicts"] == {"1/data": "data-id", "1/prediction": "prediction-id"}
    assert len(children) == 1
    assert not list((lab.home.run / "monitoring").iterdir())


def test_where_nothing_drifted_it_says_how_each_is(lab: Lab, children: Children):
    lab.live(1)
    record = lab.begin(CHECK)
    lines = (line("data", "steady"), line("data", "too few", 2), line("accuracy", "unknown"))
    tells(lab, record, of(children[0], done=True, lines=lines))
    lab.turn()
    assert lab.record(record).result == "nothing drifted (data steady, too few; accuracy unknown)"


@pytest.mark.parametrize(
    "said",
    [{"error": "The disk is full.", "hint": "Free space."},
     {"lines": ({"version": 1, "error": "The disk is full.", "hint": "Free space."},)}],
)  # fmt: skip
def test_one_that_fails_says_why(lab: Lab, children: Children, said: dict[str, object]):
    lab.live(1)
    record = lab.begin(CHECK)
    tells(lab, record, of(children[0], done=True, **said))
    lab.turn()
    ended = lab.record(record)
    assert (ended.state, ended.error, ended.hint) == (
        "compensated", "The disk is full.", "Free space.",
    )  # fmt: skip


def test_a_killed_check_ends_with_its_last_words(lab: Lab, children: Children):
    lab.live(1)
    record = lab.begin(CHECK)
    children[0].kill()
    children[0].wait()
    lab.turn()
    ended = lab.record(record)
    assert ended.state == "compensated"
    assert ended.error == "The check ended before it was done: Killed by hand."


def test_one_that_hangs_is_ended(lab: Lab, children: Children, monkeypatch: pytest.MonkeyPatch):
    lab.live(1)
    record = lab.begin(CHECK)
    monkeypatch.setattr(told, "LONGEST_S", -1.0)
    lab.turn()
    assert "did not end within" in lab.record(record).error
    assert children[0].wait(10) == -signal.SIGKILL


def test_one_that_waits_keeps_no_other_action_waiting(lab: Lab, children: Children):
    lab.live(1)
    first = lab.begin(CHECK)
    second = lab.begin(CHECK)
    assert [lab.record(one).state for one in (first, second)] == ["pending", "pending"]
    assert len(children) == 1  # checks of one endpoint go one after another


@pytest.mark.slow
def test_a_check_of_the_real_process_over_a_real_log(lab: Lab):
    lab.live(1)
    routes.write(lab.home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {})}))
    store.put_rollout(lab.context.journal, "p", "m", Rollout(Target(3), action_id=9))
    store.finish_rollout(lab.context.journal, "p.m", 3, live=True, said="")
    asked(lab.home, time.time() - 3 * HOUR_S, 2100)
    asked(lab.home, time.time() - HOUR_S, 2000, shift=1.0, seed=1, span_s=HOUR_S - 60)
    # The process reads the journal of the home.
    (lab.home.databases / "journal.sqlite").write_bytes(
        lab.context.journal.path.read_bytes()  # type: ignore[union-attr]  # of SQLite
    )
    from services.actions.journal import Journal
    from services.settings import Settings

    here = Journal.open(Settings())
    baselines.put(here, "p", "m", baselines.Chosen(Baseline("first"), "mira", 1.0))
    here.close()
    record = lab.submit(CheckDrift("p", "m"))

    def ended() -> bool:
        lab.turn()
        return lab.record(record).ended

    eventually(ended, 90)
    done = lab.record(record)
    assert done.state == "done", done.error
    assert done.result.startswith("Version 3: 1 of 4 inputs moved from the first 2,000 rows")
    assert set(done.memory["verdicts"]) == {
        f"3/{kind}" for kind in ("data", "prediction", "quality", "accuracy")
    }


# The baseline


def test_a_baseline_is_kept_told_and_taken_back(lab: Lab):
    lab.live(1)
    action = SetBaseline("lora", "net", "season", weeks=2)
    assert action.consequences(lab.context)[0] == (
        "From the next check on it is compared with the same hours of the 2 weeks before; until "
        "now it was with its evaluation data, or its first predictions where none was logged."
    )
    assert lab.begin(action).state == "done"
    journal = lab.context.journal
    kept = baselines.chosen(journal, "lora", "net")
    assert kept is not None
    assert (kept.baseline, kept.by) == (Baseline("season", weeks=2), "owner")
    other = SetBaseline("lora", "net", "first")
    from services.actions.action import Deed
    from tests.services.actions.conftest import OWNER

    (step,) = other.steps(lab.context, Deed(5, OWNER))
    step.do()
    assert baselines.baseline_of(journal, "lora", "net") == Baseline("first")
    assert step.undo is not None
    step.undo()
    assert baselines.chosen(journal, "lora", "net") == kept
    assert lab.begin(SetBaseline("lora", "net", "auto")).state == "done"
    assert baselines.chosen(journal, "lora", "net") is None


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (SetBaseline("lora", "net", "best"), InputError),
        (SetBaseline("lora", "net", "season", weeks=13), InputError),
        (SetBaseline("lora", "net", "first", weeks=3), InputError),
        (SetBaseline("lora", "net", "window"), InputError),
        (SetBaseline("lora", "none", "first"), NotFoundError),
        (CheckDrift("lora", "none"), NotFoundError),
    ],
)
def test_what_cannot_be_is_refused(lab: Lab, action: Action, error: type[MlopsError]):
    lab.live(1)
    with pytest.raises(error):
        lab.submit(action)


def test_what_takes_no_requests_yet_is_not_checked(lab: Lab):
    store.put_rollout(lab.context.journal, "lora", "net", Rollout(Target(1), action_id=1))
    with pytest.raises(ConflictError, match="first version is on its way"):
        lab.submit(CHECK)


@pytest.mark.parametrize("action", [CHECK, SetBaseline("lora", "net", "first")])
def test_viewers_may_not_and_each_is_read_back_from_the_journal(lab: Lab, action: Action):
    lab.live(1)
    with pytest.raises(DeniedError):
        lab.submit(action, VIEWER)
    assert catalog.load(action.kind, catalog.dump(action)) == action
    assert action.title
    assert action.consequences(lab.context)


def test_a_token_is_no_path(tmp_path: Path):
    for token in ("", "../x", "a/b", "a" * 61):
        with pytest.raises(ValueError, match="letters"):
            told.path(Home(tmp_path), token)
    broken = told.path(Home(tmp_path), "a")
    broken.parent.mkdir(parents=True)
    for content in (b"", b"[]", b'{"pid": 1}'):
        broken.write_bytes(content)
        assert told.read(Home(tmp_path), "a") is None
    assert not Told(os.getpid(), 0.0).alive  # another process has the number now


def test_a_process_that_cannot_start_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def none(*_: object, **__: object) -> Callable[..., None]:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", none)
    with pytest.raises(MlopsError, match="Cannot allocate memory"):
        told.start(Home(tmp_path), (), tmp_path / "a.log")
