"""Failures explain themselves: the cause first, then facts, differences, and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mirror.workflow_models import TaskRun
from services.telemetry.conditions import Conditions
from services.workflows import evidence
from services.workflows.differences import differences
from services.workflows.failure import Explanation, explain
from tests.services.mirror.workflow_things import at

BEFORE: dict[str, Any] = {
    "outcome": "succeeded", "ended_at": "2026-03-01T10:00:00.000+00:00",
    "git": {"commit": "a" * 40, "dirty": False, "diff": None},
    "revisions": {"data": "d1", "models": None}, "parameters": {"epochs": 3, "rank": 8},
    "packages": {"fingerprint": "x", "versions": {"numpy": "1.26", "mlx": "0.30"}},
    "host": {"name": "studio"},
}  # fmt: skip
FAILED: dict[str, Any] = BEFORE | {
    "outcome": "failed", "sentence": "It ended with exit code 1: KeyError: 'loss'.", "hint": "",
    "exit_code": 1, "signal": None, "exception": {"name": "KeyError", "text": "'loss'"},
    "seconds": 12.5, "timeout_s": 7200.0, "project": "lora",
    "last_lines": ["Traceback (most recent call last):", "KeyError: 'loss'", "That is all."],
    "memory": {"peak_bytes": 2_500_000_000, "limit_bytes": 4_000_000_000, "oom_kills": 0,
               "host_available_min_bytes": 9_000_000_000},
    "disk_after": {"free_bytes": 70_000_000_000, "total_bytes": 270_000_000_000},
}  # fmt: skip


def task(state: str = "failed", operator: str = "ProjectTask") -> TaskRun:
    return TaskRun(
        "lora.train", "one", "train", -1, "lora", "train", operator, state, 1, 0, at(1), at(2),  # type: ignore[arg-type]
        at(3), at(9), "default_pool", None, 1, "vm", None,
    )  # fmt: skip


def facts(found: Explanation) -> dict[str, tuple[str, bool]]:
    return {one.label: (one.said, one.known) for one in found.facts}


def test_a_failure_is_told_cause_first():
    found = explain(task(), FAILED, before=BEFORE)
    assert (found.kind, found.cause) == ("failed", "It ended with exit code 1: KeyError: 'loss'.")
    assert found.lines[found.marked or 0] == "KeyError: 'loss'"
    told = facts(found)
    assert told["Ended by"] == ("exit code 1", True)
    assert told["Most memory"] == ("2.50 GB of 4.00 GB it may have", True)
    assert told["Ran for"][0].startswith("12 s of at most 2")
    assert told["Free disk"] == ("70.0 GB of 270 GB", True)
    assert found.different == ()
    assert "2026-03-01 10:00 UTC" in found.compared
    assert found.command == "mlops workflows logs lora.train/one train"
    raised = {"outcome": "failed", "sentence": "ValueError: shape", "exception": {"text": "shape"}}
    assert explain(task(), raised).cause == "ValueError: shape."
    cut = raised | {"exception": {"text": "x" * 400}}
    assert explain(task(), cut).cause == "ValueError: shape…"


@pytest.mark.parametrize(
    ("outcome", "command"),
    [
        ("data", "mlops data status --project lora"),
        ("cancelled", "mlops workflows retry lora.train/one"),
        ("memory", "mlops workflows logs lora.train/one train"),
        ("packages", "mlops workflows logs lora.train/one train"),
        ("timeout", "mlops workflows logs lora.train/one train"),
    ],
)
def test_the_next_step_fits_the_cause(outcome: str, command: str):
    found = explain(task(), FAILED | {"outcome": outcome, "hint": "Do this."})
    assert (found.kind, found.next_step, found.command) == (outcome, "Do this.", command)


def test_a_lost_one_says_what_is_known_of_it():
    never = explain(task(), {})
    assert never.kind == "lost"
    assert "left no evidence" in never.cause
    assert never.facts == ()
    silent = explain(
        task(), FAILED | {"outcome": "running", "sentence": "", "at": "2026-03-01T11:00:00"}
    )
    assert silent.kind == "lost"
    assert "2026-03-01 11:00:00 UTC" in silent.cause
    assert silent.command == "mlops workflows retry lora.train/one"
    assert explain(task(operator="_PythonDecoratedOperator"), {}).kind == "unknown"


def test_who_fails_for_another_names_it():
    found = explain(task("upstream_failed"), {}, tasks=[task()])
    assert found.cause == "It did not begin, for train failed."


def test_what_is_different_is_told_the_likelier_first():
    now = FAILED | {
        "git": {"commit": "b" * 40, "dirty": True, "diff": "f00"},
        "revisions": {"data": "d2", "models": None},
        "parameters": {"epochs": 300, "rank": None},
        "packages": {"versions": {"numpy": "2.0", "torch": "2.9"}},
        "host": {"name": "mini"},
    }
    found = [(one.what, one.before, one.now) for one in differences(BEFORE, now)]
    assert found == [
        ("code", "a" * 12, f"{'b' * 12} + f00"),
        ("data", "d1", "d2"),
        ("parameter epochs", "3", "300"),
        ("parameter rank", "8", "not given"),
        ("package mlx", "0.30", ""),
        ("package numpy", "1.26", "2.0"),
        ("package torch", "", "2.9"),
        ("machine", "studio", "mini"),
    ]
    # What one of the two does not tell is no difference.
    assert differences({}, now) == ()
    assert differences(BEFORE, FAILED | {"git": None, "packages": None, "revisions": "odd"}) == ()


def test_of_several_lines_with_its_name_the_last_is_marked():
    lines = ["KeyError: 'a'", "During handling of it:", "KeyError: 'loss'", "KeyErrors: 3"]
    assert explain(task(), FAILED | {"last_lines": lines}).marked == 2
    assert explain(task(), FAILED | {"exception": None}).marked is None


def test_heat_and_power_are_told_or_why_not():
    hot = Conditions("studio", 60, 1.0, thermal_max=2, thermal_s={"0": 30, "2": 30}, low_power=0.5,
                     battery=0.0, pressure_max=4)  # fmt: skip
    told = facts(explain(task(), FAILED, ran_under=hot))
    assert told["Heat"] == ("level 2 at most, throttled 50% of the time", True)
    assert told["Memory pressure"] == ("level 4 at most", True)
    assert told["Power"] == ("Low Power Mode 50% of the time", True)
    linux = Conditions("vm", 60, 1.0)
    told = facts(explain(task(), FAILED, ran_under=linux))
    assert told["Heat"] == ("its machine does not tell", False)
    assert told["Power"] == ("its machine does not tell", False)
    told = facts(explain(task(), FAILED, ran_under=Conditions("vm", 60, 0.0)))
    assert told["Heat and power"] == ("no sample was taken meanwhile", False)
    told = facts(explain(task(), FAILED, ran_under="not known: it is away"))
    assert told["Heat and power"] == ("not known: it is away", False)


def test_what_was_not_measured_is_no_zero():
    nothing = {"outcome": "failed", "memory": {"peak_bytes": None, "limit_bytes": None}}
    told = facts(explain(task(), nothing))
    assert told["Most memory"][1] is False
    assert told["Free disk"] == ("could not be asked", False)
    huge = {"outcome": "failed", "memory": {"peak_bytes": 10**400}, "seconds": 10**400}
    assert facts(explain(task(), huge))["Most memory"][1] is False
    assert not any("0.0" in said or said.startswith("0") for said, _ in told.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from([*FAILED, "at", "started_at", "pauses", "disk", "job"])


@given(st.dictionaries(NAMES, JSON, max_size=12), st.dictionaries(NAMES, JSON, max_size=12))
def test_whatever_the_file_holds_there_is_an_explanation(
    now: dict[str, Any], before: dict[str, Any]
):
    found = explain(task(), now, before=before)
    assert found.cause
    assert found.next_step
    assert found.marked is None or found.marked < len(found.lines)


def test_the_whole_file_is_read_for_it(tmp_path: Path):
    path = evidence.path_of(tmp_path, task())
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(FAILED))
    assert evidence.whole(tmp_path, task()) == FAILED
    assert "last_lines" not in evidence.read(tmp_path, task())
    path.write_text("[1]")
    assert evidence.whole(tmp_path, task()) == {}
