"""Checks whose disk is full, for real: nothing half is ever read, and the next check covers all."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.engines.evidently.models import Question, Report
from services.errors import PlatformError
from services.home import Home
from services.monitoring import checking, folder, record
from services.monitoring.checking import Asked
from services.monitoring.computing import Monitor
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore
from services.serving import routes
from services.serving.routes import Route, Routes
from services.settings import Settings
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW, TrackingServer, by_kind, evaluated
from tests.small_disk import SmallDisk, mounted

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "small", "4m") as small:
        yield small


@pytest.fixture
def home(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(disk.path))
    made = Home(disk.path)
    made.create()
    return made


def kept(home: Home) -> list[str]:
    """The states of the data verdicts that somebody finds who opens the store now, all whole."""
    store = VerdictStore(home)
    try:
        found = store.history("p", "m", "data")
        for one in found:
            assert {each.kind for each in store.check(one.id)} == {
                "data", "prediction", "quality", "accuracy",
            }  # fmt: skip
            assert store.verdict(one.id).columns
        return [one.state for one in found]
    finally:
        store.close()


def halves(home: Home) -> list[Path]:
    """What no check leaves: files that were begun, and empty ones."""
    files = [path for path in folder.base(home).rglob("*") if path.is_file()]
    return [path for path in files if path.name.startswith(".") or not path.stat().st_size]


def test_however_little_room_is_left_a_verdict_is_whole_or_not_there(disk: SmallDisk, home: Home):
    asked(home, NOW - HOUR_S, 600)
    store = VerdictStore(home)
    checks = Monitor(home, store, TrackingServer(evaluated()), None)  # type: ignore[arg-type]
    checks.check("p", "m", 3, now=NOW)
    came, faults = 0, list[PlatformError]()
    for number in range(24):
        disk.fill(spare_bytes=number * PAGE)
        before = len(list((folder.base(home) / "verdicts").rglob("*.gz")))
        try:
            checks.check("p", "m", 3, now=NOW + 60 * number)
        except PlatformError as error:
            faults.append(error)
        else:
            came += 1
        disk.free()
        files = len(list((folder.base(home) / "verdicts").rglob("*.gz")))
        assert files - before in (0, 1)
        assert kept(home) == ["steady"] * files
        assert [path for path in halves(home) if "verdicts.db" not in path.name] == []
    store.close()
    assert min(len(faults), came) >= 3
    assert all("Free space" in one.hint for one in faults)


class Greedy:
    """Evidently, whose report takes the last room there is."""

    def __init__(self, disk: SmallDisk) -> None:
        self.disk = disk

    def report(self, question: Question) -> Report:
        with contextlib.suppress(OSError), question.html.open("wb", buffering=0) as file:
            while file.write(b"x" * PAGE) == PAGE:
                pass
        question.json.write_bytes(b"")
        return Report("0.7.23", ())


def test_a_verdict_has_room_though_its_report_took_the_last(disk: SmallDisk, home: Home):
    asked(home, NOW - HOUR_S, 600)
    store = VerdictStore(home)
    checks = Monitor(home, store, TrackingServer(evaluated()), Greedy(disk))  # type: ignore[arg-type]
    checks.check("p", "m", 3, now=NOW, report=False)
    checked = checks.check("p", "m", 3, now=NOW + 60, report=True)
    store.close()
    assert checked.fault is not None
    assert "Free space" in checked.fault.hint
    assert {one.report for one in checked.verdicts} == {None}
    assert kept(home) == ["steady", "steady"]
    assert list((folder.base(home) / "reports").rglob("*.*")) == []


def test_reports_that_no_verdict_names_go_with_their_day(home: Home):
    store = VerdictStore(home)
    checks = Monitor(home, store, None, None)
    days = [folder.reports(home, "p", "m", NOW - age * 86_400) for age in (0, 29, 31, 400)]
    for day in days:
        day.mkdir(parents=True, exist_ok=True)
        (day / "orphan.html").write_text("x")
    checks.forget(NOW)
    store.close()
    assert [day.exists() for day in days] == [True, True, False, False]


def test_a_reference_that_does_not_fit_is_fetched_again(disk: SmallDisk, home: Home):
    asked(home, NOW - HOUR_S, 600)
    store, server = VerdictStore(home), TrackingServer(evaluated())
    checks = Monitor(home, store, server, None)  # type: ignore[arg-type]
    disk.fill(spare_bytes=2 * PAGE)
    with pytest.raises(PlatformError, match=r"version-3.* could not be written: .*No space left"):
        checks.check("p", "m", 3, now=NOW)
    disk.free()
    assert halves(home) == [] or all("verdicts.db" in one.name for one in halves(home))
    found = by_kind(checks.check("p", "m", 3, now=NOW))
    store.close()
    assert found["data"].state == "steady"
    assert found["data"].baseline.startswith("the evaluation data of version 3")
    assert server.asked == 2


def test_the_first_predictions_that_do_not_fit_become_the_baseline_later(
    disk: SmallDisk, home: Home
):
    asked(home, NOW - 2 * HOUR_S, 2100)
    asked(home, NOW - HOUR_S, 2100, shift=1.0, seed=1)
    store = VerdictStore(home)
    checks = Monitor(home, store, None, None)
    disk.fill(spare_bytes=PAGE)
    with pytest.raises(PlatformError, match="could not be written"):
        checks.check("p", "m", 3, baseline=Baseline("first"), now=NOW)
    disk.free()
    found = by_kind(checks.check("p", "m", 3, baseline=Baseline("first"), now=NOW))["data"]
    store.close()
    assert (found.state, found.named("drifted")) == ("drifted", ("input.a",))


def test_a_round_says_that_the_disk_is_full_and_the_next_one_makes_up_for_it(
    disk: SmallDisk, home: Home
):
    routes.write(home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {})}))
    Journal.open(Settings()).close()
    asked(home, NOW - HOUR_S, 600)
    mlflow = TrackingServer(evaluated())
    first = checking.run(home, Asked(), mlflow=mlflow)  # type: ignore[arg-type]
    assert not first.failed
    before = record.read(home)
    asked(home, NOW - 60, 500, shift=2.0, seed=3, span_s=50)
    disk.fill()
    with pytest.raises(PlatformError) as error:
        checking.run(home, Asked(), mlflow=mlflow)  # type: ignore[arg-type]
    assert "Free space" in error.value.hint
    assert record.read(home) == before  # the old record, whole
    disk.free()
    checking.run(home, Asked(("p.m",)), mlflow=mlflow)  # type: ignore[arg-type]
    assert kept(home)[0] == "steady"
    assert kept(home)[-1] == "drifted"
    assert record.read(home).looked["p.m:3"].error == ""


def test_an_index_that_has_no_room_to_be_made_is_a_sentence(disk: SmallDisk, home: Home):
    asked(home, NOW - HOUR_S, 600)
    store = VerdictStore(home)
    Monitor(home, store, TrackingServer(evaluated()), None).check("p", "m", 3, now=NOW)  # type: ignore[arg-type]
    store.close()
    for one in folder.base(home).glob("verdicts.db*"):
        one.unlink()
    disk.fill()
    with pytest.raises(PlatformError, match="index of verdicts") as error:
        VerdictStore(home)
    assert error.value.hint.startswith("Free space")
    disk.free()
    assert kept(home) == ["steady"]
    shutil.rmtree(folder.base(home))
