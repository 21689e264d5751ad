"""What Airflow reads of the platform's decisions; nothing of it may stop the scheduler."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows" / "src"))

from mlops_workflows.told import (  # noqa: E402 - stands in a distribution of its own
    FRESH_S,
    LARGEST,
    WEIGHT_OF_LAST,
    Told,
    ToldFile,
    Verdict,
    key,
    path_here,
)

from services.workflows import fair  # noqa: E402

NAME = "lora.train/one/train"


class Clock:
    now = 0.0
    awake = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.awake += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> ToldFile:
    return ToldFile(tmp_path / "weights.json", clock, lambda: clock.awake)


def tell(file: ToldFile, clock: Clock, **document: object) -> Path:
    path = file._path
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.replace(path)
    clock.now = path.stat().st_mtime + 1
    return path


def test_both_sides_mean_the_same_weight_by_the_last():
    assert WEIGHT_OF_LAST == fair.WEIGHT_OF_LAST


def test_without_a_file_the_priority_of_the_project_counts(file: ToldFile):
    assert file.read() == Told()
    assert file.weight((NAME,), 7) == 1007
    assert file.verdict(NAME) == Verdict(
        may_start=True, said="Nothing was decided yet: Airflow's own pools and order hold."
    )


def test_a_weight_is_that_of_the_first_name_that_has_one(file: ToldFile, clock: Clock):
    tell(file, clock, weights={"lora.train/one/train[2]": 5, NAME: 1042, "lora.train/one": 9})
    mapped = key("lora.train", "one", "train", 2)
    assert file.weight((mapped, NAME), 7) == 5
    assert file.weight((key("lora.train", "one", "train", 3), NAME), 7) == 1042
    assert file.weight(("lora.train/one/evaluate", "lora.train/one"), 7) == 9
    assert file.weight(("lora.train/two/train",), 7) == 1007


def test_a_new_decision_is_read_and_an_old_one_is_not_read_twice(
    file: ToldFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    tell(file, clock, weights={NAME: 1})
    assert file.weight((NAME,), 7) == 1
    reads = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read_bytes(path))
    file.weight((NAME,), 7)
    assert reads == []
    tell(file, clock, weights={NAME: 2})
    assert file.weight((NAME,), 7) == 2
    assert len(reads) == 1


def test_who_is_released_may_start_and_who_is_held_hears_why(file: ToldFile, clock: Clock):
    tell(file, clock, released={NAME: "studio"}, held={"b": "studio is hot."})
    assert file.verdict(NAME) == Verdict(may_start=True, said="It was given room.", host="studio")
    assert file.verdict("b") == Verdict(may_start=False, said="studio is hot.")
    unseen = Verdict(may_start=False, said="It has not been looked at yet.", seen=False)
    assert file.verdict("c") == unseen


def test_decisions_of_a_controller_that_ended_hold_nobody(file: ToldFile, clock: Clock):
    tell(file, clock, held={"b": "studio is hot."})
    clock.sleep(FRESH_S - 2)
    assert file.verdict("b").may_start is False
    clock.sleep(2)
    assert file.verdict("b").may_start is True
    assert file.verdict("b").said == (
        "Nothing was decided for 61 s: Airflow's own pools and order hold."
    )


def test_a_clock_that_is_set_and_a_machine_that_slept_start_nothing(file: ToldFile, clock: Clock):
    tell(file, clock, held={"b": "studio is hot."}, pause={"a": "studio is hot."})
    assert file.verdict("b").may_start is False
    tell(file, clock, held={"b": "studio is warm."}, pause={"a": "studio is warm."})
    assert file.verdict("b").may_start is False
    for jump in (8 * 3600.0, -16 * 3600.0):
        clock.now += jump
        assert (file.verdict("b").said, file.pause("a")) == ("studio is warm.",) * 2
    clock.now += 16 * 3600.0
    clock.sleep(FRESH_S + 1)
    assert file.verdict("b").may_start is True
    assert file.pause("a") == ""


def test_after_a_clock_was_set_back_a_controller_that_ended_holds_nothing(
    file: ToldFile, clock: Clock, tmp_path: Path
):
    path = tell(file, clock, held={"b": "studio is hot."}, pause={"a": "studio is hot."})
    assert file.verdict("b").may_start is False
    clock.now -= 16 * 3600.0
    late = ToldFile(path, lambda: clock.now, lambda: clock.awake)
    for one in (file, late):  # one that saw it before, and a process that began after
        assert one.verdict("b").said == "studio is hot."
    clock.sleep(FRESH_S + 1)
    for one in (file, late):
        assert one.verdict("b").may_start is True
        assert one.pause("a") == ""


def test_who_runs_is_paused_by_fresh_decisions_alone(file: ToldFile, clock: Clock):
    assert file.pause("a") == ""
    tell(file, clock, pause={"a": "studio is hot."})
    assert (file.pause("a"), file.pause("b")) == ("studio is hot.", "")
    clock.sleep(FRESH_S - 2)
    assert file.pause("a") == "studio is hot."
    clock.sleep(4)
    assert file.pause("a") == ""


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"weights": 3}', '{"released": [1]}', "\0", '{"weights": {"a": NaN']
)
def test_a_broken_file_keeps_the_decision_before_it(
    file: ToldFile, clock: Clock, damage: str, caplog: pytest.LogCaptureFixture
):
    path = tell(file, clock, weights={NAME: 1042})
    assert file.weight((NAME,), 7) == 1042
    path.write_text(damage)
    assert file.weight((NAME,), 7) == 1042
    assert file.weight((NAME,), 7) == 1042
    assert caplog.text.count("cannot be read") == 1
    path.unlink()
    assert file.weight((NAME,), 7) == 1007


def test_odd_weights_are_left_out_and_large_ones_are_cut(file: ToldFile, clock: Clock):
    tell(file, clock, weights={"a": "many", "b": True, "c": 10**12, "d": -(10**12), "e": 1.5})
    assert [file.weight((name,), 7) for name in "abe"] == [1007, 1007, 1007]
    assert (file.weight(("c",), 7), file.weight(("d",), 7)) == (LARGEST, -LARGEST)


def test_the_file_is_that_of_this_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MLOPS_HOME", os.fspath(tmp_path))
    assert path_here() == tmp_path / "airflow" / "weights.json"
    assert ToldFile().read() == Told()
