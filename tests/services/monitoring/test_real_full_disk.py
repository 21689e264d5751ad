"""Evidently as it is on a disk that is full: a sentence, a verdict, and no half of a report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engines.evidently.adapter import Evidently
from services.home import Home
from services.monitoring import folder
from services.monitoring.computing import Monitor
from services.monitoring.store import VerdictStore
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW, TrackingServer, evaluated
from tests.small_disk import SmallDisk, mounted

pytestmark = [pytest.mark.engine, pytest.mark.slow]
KB = 1 << 10


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "small", "40m") as small:
        yield small


def reports(home: Home) -> list[str]:
    return sorted(path.suffix for path in (folder.base(home) / "reports").rglob("*.*"))


def snapshots(home: Home) -> list[Path]:
    return sorted(folder.workspace(home).rglob("snapshots/*.json"))


def test_a_report_that_does_not_fit_is_a_sentence_and_leaves_no_half_of_it(disk: SmallDisk):
    home = Home(disk.path)
    home.create()
    asked(home, NOW - HOUR_S, 600)
    store = VerdictStore(home)
    checks = Monitor(home, store, TrackingServer(evaluated()), Evidently())  # type: ignore[arg-type]
    checks.check("p", "m", 3, now=NOW, report=False)
    disk.fill(spare_bytes=400 * KB)
    checked = checks.check("p", "m", 3, now=NOW + 60, report=True)
    assert checked.fault is not None
    assert "No space left" in str(checked.fault)
    assert checked.verdicts[0].report is None
    assert store.verdict(checked.verdicts[0].id).state == "steady"
    assert reports(home) == []
    disk.free()
    # Room for the page, none for the workspace.
    whole = checks.check("p", "m", 3, now=NOW + 120, report=True)
    assert whole.fault is None
    page = folder.base(home) / str(whole.verdicts[0].report)
    before = snapshots(home)
    disk.fill(spare_bytes=page.stat().st_size + 500 * KB)
    tight = checks.check("p", "m", 3, now=NOW + 180, report=True)
    assert tight.fault is None
    assert tight.report is not None
    assert "workspace" in tight.report.trouble[0]
    assert "No space left" in tight.report.trouble[0]
    assert (folder.base(home) / str(tight.verdicts[0].report)).stat().st_size > 1_000_000
    assert store.verdict(tight.verdicts[0].id).report is not None
    assert snapshots(home) == before
    disk.free()
    last = checks.check("p", "m", 3, now=NOW + 240, report=True)
    store.close()
    assert last.report is not None
    assert last.report.trouble == ()
    assert len(snapshots(home)) == len(before) + 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_half_a_description_of_one_project_is_not_in_the_way_of_all(home: Home, content: bytes):
    asked(home, NOW - HOUR_S, 100)
    store = VerdictStore(home)
    checks = Monitor(home, store, TrackingServer(evaluated()), Evidently())  # type: ignore[arg-type]
    half = folder.workspace(home) / "01a228f2-0df1-72e3-87a6-e97b1c742a15"
    half.mkdir(parents=True)
    (half / "metadata.json").write_bytes(content)
    checked = checks.check("p", "m", 3, now=NOW, report=True)
    store.close()
    assert checked.report is not None
    assert checked.report.trouble == ()
    assert not half.exists()
    assert len(snapshots(home)) == 1
