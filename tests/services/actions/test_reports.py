"""Reports by action: made by a process of its own, told who may see them, set by the calendar."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.actions.action import Context
from services.actions.executor import ActionRecord, Executor
from services.actions.journal import Journal
from services.actions.report_make import MakeReport
from services.actions.report_schedule import RemoveReportSchedule, SetReportSchedule
from services.actions.roles import Actor
from services.alerting import channels
from services.alerting.models import Channel
from services.errors import DeniedError, InputError, NotFoundError, PlatformError
from services.home import Home
from services.mirror.queries import Mirror
from services.reports import kept, making, schedules
from services.reports.making import Wish
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, LORA

ADMIN = Actor("os:me", "admin", None, "os")
VIEWER = Actor("policy:v", "viewer", (LORA,), "policy")


@pytest.fixture(scope="module")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("reports"))
    made.create()
    seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    return made.root


@pytest.fixture
def home(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    shutil.copytree(mould, tmp_path / "home")
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return Home.locate()


@pytest.fixture
def context(home: Home) -> Iterator[Context]:
    settings = Settings()
    journal = Journal.open(settings)
    nobody = None
    yield Context(journal, Mirror.open(settings), nobody, nobody)  # type: ignore[arg-type]
    journal.close()


@pytest.fixture
def executor(context: Context) -> Executor:
    return Executor(context)


def until(ready: Callable[[], object], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)


def carried_out(executor: Executor, number: int) -> ActionRecord:
    until(lambda: executor.execute_pending() or executor.record(number).ended)
    return executor.record(number)


def test_a_viewer_gets_the_report_of_their_project(executor: Executor, home: Home):
    asked = executor.submit(VIEWER, MakeReport(LORA, "24h"), "one")
    began = time.monotonic()
    assert executor.execute_pending() == 0
    assert time.monotonic() - began < 2  # nobody waits for it
    assert executor.record(asked.id).steps[0].detail == "It is being made."
    done = carried_out(executor, asked.id)
    assert done.state == "done", done.error
    (report,) = kept.kept(home, (LORA,))
    assert report.link in done.result
    assert (report.project, report.by, report.missing) == (LORA, VIEWER.name, ())
    assert report.until - report.since == pytest.approx(86_400)
    text = kept.content(home, report.name, (LORA,))[1].decode()
    assert LORA in text
    assert CLIP not in text
    assert not list(kept.base(home).glob(".*"))


def test_of_the_toolkit_takes_who_sees_all_projects(executor: Executor):
    with pytest.raises(DeniedError):
        executor.submit(VIEWER, MakeReport(None), "one")
    with pytest.raises(DeniedError):
        executor.submit(VIEWER, MakeReport(CLIP), "two")
    assert executor.submit(ADMIN, MakeReport(None), "three").state == "pending"


@pytest.mark.parametrize(
    ("action", "error"),
    [(MakeReport(LORA, "7y"), InputError), (MakeReport("nobody"), NotFoundError),
     (SetReportSchedule(LORA, "year"), InputError),  # type: ignore[arg-type]
     (SetReportSchedule(LORA, "day", 99), InputError),
     (SetReportSchedule("nobody", "day"), NotFoundError),
     (SetReportSchedule(LORA, "day", channels=("nobody",)), NotFoundError),
     (RemoveReportSchedule(LORA, "day"), NotFoundError)],
)  # fmt: skip
def test_what_cannot_be_is_refused(executor: Executor, action: object, error: type[Exception]):
    with pytest.raises(error):
        executor.submit(ADMIN, action, "one")  # type: ignore[arg-type]


def test_a_killed_process_is_started_again_once_and_then_it_is_said(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    wish = Wish(kept.new_name(1e9), LORA, 1e9 - 60, 1e9, "ana")
    monkeypatch.setattr(making.sys, "executable", "/bin/false")  # type: ignore[attr-defined]
    for _ in range(2):
        until(lambda: making.begin(home, wish))
    with pytest.raises(PlatformError, match="ended without saying why"):
        until(lambda: making.begin(home, wish))
    making.tidy(home, wish.name)
    assert not list(kept.base(home).iterdir())


def test_while_it_is_made_no_other_begins_and_killed_it_begins_anew(home: Home):
    wish = Wish(kept.new_name(1e9), LORA, 1e9 - 60, 1e9, "ana")
    before = set(psutil.Process().children())
    assert making.begin(home, wish)
    assert not making.begin(home, wish)
    until(lambda: set(psutil.Process().children()) - before)
    (child,) = set(psutil.Process().children()) - before
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: making.begin(home, wish))
    until(lambda: kept.find(home, wish.name))
    assert not making.begin(home, wish)


def test_why_it_failed_is_handed_on(home: Home):
    wish = Wish(kept.new_name(1e9), "nobody", 1e9 - 60, 1e9, "ana")
    making.begin(home, wish)
    with pytest.raises(PlatformError, match="There is no project 'nobody'"):
        until(lambda: making.begin(home, wish))


def test_a_schedule_is_set_replaced_and_removed(executor: Executor, context: Context):
    channels.put(context.journal, Channel("ops", "json", projects=(LORA,)))
    first = SetReportSchedule(LORA, "week", 6, "Europe/Berlin", ("ops",))
    assert any("Monday" in one and "06:00 Europe/Berlin" in one
               for one in first.consequences(context))  # fmt: skip
    assert carried_out(executor, executor.submit(ADMIN, first, "one").id).state == "done"
    (found,) = schedules.schedules(context.journal)
    assert (found.hour, found.zone, found.channels) == (6, "Europe/Berlin", ("ops",))
    with pytest.raises(InputError, match="is told of"):
        executor.submit(ADMIN, SetReportSchedule(None, "week", channels=("ops",)), "two")
    gone = executor.submit(ADMIN, RemoveReportSchedule(LORA, "week"), "three")
    assert carried_out(executor, gone.id).state == "done"
    assert schedules.schedules(context.journal) == ()


def test_setting_a_schedule_takes_an_operator(executor: Executor):
    with pytest.raises(DeniedError):
        executor.submit(VIEWER, SetReportSchedule(LORA, "day"), "one")
