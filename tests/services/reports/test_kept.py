"""Reports that are kept: who may see them, how long, and that a name leads nowhere else."""

import os
import time
from dataclasses import replace

import pytest

from services.errors import NotFoundError, PlatformError
from services.home import Home
from services.reports import kept
from services.reports.kept import Kept

NOW = time.time()
DAY = 86_400.0


def report(
    project: str | None = "lora", age_days: float = 0.0, schedule: str = "", size: int = 3
) -> Kept:
    at = NOW - age_days * DAY
    name = kept.new_name(at)
    return Kept(name, project, at - 7 * DAY, at, at, "ana", schedule, size, ())


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def test_what_was_kept_is_read_back(home: Home):
    one = replace(report(), missing=("Data",))
    kept.keep(home, one, b"<html>")
    assert kept.find(home, one.name) == one
    assert kept.content(home, one.name, ("lora",)) == (one, b"<html>")
    assert one.link == f"/reports/{one.name}"
    assert (kept.base(home).stat().st_mode & 0o777) == 0o700
    assert not list(kept.base(home).glob(".new-*"))


def test_of_the_toolkit_only_who_sees_all_sees_one(home: Home):
    whole, lora, clip = report(None), report("lora"), report("clip")
    for one in (whole, lora, clip):
        kept.keep(home, one, b"x")
    assert set(kept.kept(home)) == {whole, lora, clip}
    assert kept.kept(home, ("lora", "nobody")) == (lora,)
    assert kept.kept(home, ()) == ()
    for one in (whole, clip):
        with pytest.raises(NotFoundError):
            kept.content(home, one.name, ("lora",))


@pytest.mark.parametrize(
    "name", ["", "x", "../secrets/x", "20261129T120000-0123456789ab/../x", "2026", "."]
)
def test_a_name_that_is_none_opens_nothing(home: Home, name: str):
    kept.keep(home, report(), b"x")
    (home.root / "x.html").write_text("secret")
    with pytest.raises(NotFoundError):
        kept.content(home, name, None)


def test_the_same_thing_has_the_same_name_and_others_have_another():
    assert kept.new_name(NOW, "a") == kept.new_name(NOW, "a")
    assert len({kept.new_name(NOW, "a"), kept.new_name(NOW, "b"), kept.new_name(NOW)}) == 3
    assert kept.is_name(kept.new_name(NOW))


def test_a_file_without_its_description_is_no_report_and_a_damaged_one_neither(home: Home):
    one, other = report(), report()
    for each in (one, other):
        kept.keep(home, each, b"x")
    (kept.base(home) / f"{one.name}.json").unlink()
    (kept.base(home) / f"{other.name}.json").write_text("{")
    assert kept.kept(home) == ()


def test_old_ones_go_those_of_schedules_later(home: Home):
    asked, lately, monthly, ancient = (
        report(age_days=8), report(age_days=6), report(age_days=100, schedule="*/month"),
        report(age_days=400, schedule="*/month"),
    )  # fmt: skip
    for one in (asked, lately, monthly, ancient):
        kept.keep(home, one, b"x")
    assert kept.prune(home, NOW, 366) == 2
    assert kept.kept(home) == (lately, monthly)
    assert len(list(kept.base(home).iterdir())) == 4


def test_beyond_a_size_the_oldest_go(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 10)
    found = [report(age_days=days, schedule="*/day", size=4) for days in (3, 2, 1)]
    for one in found:
        kept.keep(home, one, b"x")
    assert kept.prune(home, NOW, 366) == 1
    assert kept.kept(home) == (found[2], found[1])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(home: Home):
    kept.base(home).mkdir()
    kept.base(home).chmod(0o500)
    with pytest.raises(PlatformError, match="could not be kept"):
        kept.keep(home, report(), b"x")


def test_a_folder_that_is_a_file_is_a_sentence(home: Home):
    kept.base(home).write_text("x")
    with pytest.raises(PlatformError, match="could not be kept"):
        kept.keep(home, report(), b"x")
    assert kept.kept(home) == ()
