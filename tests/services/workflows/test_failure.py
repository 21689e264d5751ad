"""Failures explain themselves: the cause first, then facts, differences, and what to do."""

import json
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from services.cli import mlops
from services.mirror.workflow_models import TaskRun
from services.telemetry.conditions import Conditions
from services.telemetry.diagnosis import Cause
from services.telemetry.figures import estimated, measured, unavailable
from services.workflows import evidence
from services.workflows.differences import differences
from services.workflows.failure import Explanation, Surroundings, explain
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


def task(state: str = "failed", operator: str = "HeavyTask") -> TaskRun:
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
    assert told["Free disk"] == ("70.00 GB of 270.00 GB", True)
    assert found.different == ()
    assert "2026-03-01 10:00 UTC" in found.compared
    assert found.command == "mlops workflows logs lora.train/one train"
    raised = {"outcome": "failed", "sentence": "ValueError: shape", "exception": {"text": "shape"}}
    assert explain(task(), raised).cause == "ValueError: shape."
    cut = raised | {"exception": {"text": "x" * 400}}
    assert explain(task(), cut).cause == "ValueError: shape…"


@pytest.mark.parametrize(
    ("outcome", "more", "command", "setting"),
    [
        ("data", {}, "mlops data checkout lora d1", ""),
        ("data", {"revisions": {"data": None}}, "mlops data add lora", ""),
        ("cancelled", {}, "mlops workflows retry lora.train/one", ""),
        ("memory", {}, "mlops workflows retry lora.train/one", "needs.memory_gb = 5"),
        ("memory", {"stopped": "memory"}, "", "memory_limit_gb = 5"),
        ("memory", {"memory": {}}, "mlops workflows retry lora.train/one", ""),
        (
            "memory",
            {"parameters": {"batch_size": 64, "mix": True, "name": "a b", "top": None}},
            "mlops workflows trigger lora.train --param batch_size=32 --param mix=true "
            "--param 'name=a b'",
            "needs.memory_gb = 5",
        ),
        (
            "memory",
            {"stopped": "memory", "memory": FAILED["memory"] | {"host_total_bytes": 5e9}},
            "mlops workflows logs lora.train/one train",
            "",
        ),
        ("packages", {}, "mlops projects check lora", ""),
        ("timeout", {}, "mlops workflows logs lora.train/one train", 'timeout = "4h"'),
        ("timeout", {"timeout_s": 0.7}, "mlops workflows logs lora.train/one train",
         'timeout = "2s"'),
        ("timeout", {"timeout_s": 1e300}, "mlops workflows logs lora.train/one train",
         'timeout = "720h"'),
        ("timeout", {"timeout_s": None}, "mlops workflows logs lora.train/one train", ""),
        ("not started", {}, "mlops projects check lora", ""),
        ("signal", {"signal": "SIGKILL"}, "mlops workflows retry lora.train/one", ""),
        ("signal", {"signal": "SIGSEGV"}, "mlops workflows logs lora.train/one train", ""),
        ("failed", {}, "mlops workflows logs lora.train/one train", ""),
    ],
)  # fmt: skip
def test_the_next_step_fits_the_cause(
    outcome: str, more: dict[str, Any], command: str, setting: str
):
    found = explain(task(), FAILED | {"outcome": outcome} | more)
    assert (found.kind, found.command, found.setting) == (outcome, command, setting)
    assert found.next_step.endswith(".")
    if setting:
        contract(setting)
    if command:
        typed(command)


def contract(setting: str) -> None:
    """Read a proposed line as the contract is read."""
    from services.projects.contract import Contract

    base = 'id = "lora"\ntitle = "LoRA"\nkind = "easy"\npriority = 5\n'
    base += 'train = "python train.py"\n'
    if "memory_limit_gb" not in setting:
        base += "memory_limit_gb = 8\n"
    Contract.model_validate(tomllib.loads(base + setting))


def typed(command: str) -> None:
    """Have the real command line read a proposed command, without doing it."""
    first, *words = shlex.split(command)
    assert first == "mlops"
    found: click.Command = mlops
    context = click.Context(found, info_name="mlops")
    while isinstance(found, click.Group):
        name, *words = words
        known = found.get_command(context, name)
        assert known is not None, name
        found = known
        if not isinstance(found, click.Group):
            found.make_context(name, words, parent=context)


def test_a_full_disk_is_told_as_one():
    full = {"name": "OSError", "text": "[Errno 28] No space left on device: 'model.npz'"}
    found = explain(task(), FAILED | {"exception": full, "disk_after": {"free_bytes": 4_096_000}})
    assert (found.kind, found.cause) == (
        "disk", "The disk it wrote to is full: 4.1 MB were free when it ended."
    )  # fmt: skip
    assert found.command == "mlops data prune lora"
    typed(found.command)
    assert {fact.label for fact in found.facts if fact.telling} == {"Free disk"}


@pytest.mark.parametrize(
    ("raised", "cause", "wanted"),
    [
        (
            ("ModuleNotFoundError", "No module named 'sklearn.svm'"),
            "Its environment does not have the module sklearn.svm.",
            "uv add --no-sync scikit-learn &&",
        ),
        (
            ("ModuleNotFoundError", "No module named 'torch'"),
            "Its environment does not have the module torch; its last success ran with 2.9.",
            "uv add --no-sync torch==2.9 &&",
        ),
        (
            ("ImportError", "cannot import name 'Inf' from 'numpy' (/x/numpy/__init__.py)"),
            "numpy 2.0 does not have Inf; its last success ran with 1.26.",
            "uv add --no-sync numpy==1.26 &&",
        ),
        (
            ("AttributeError", "module 'numpy' has no attribute 'float'"),
            "numpy 2.0 does not have float; its last success ran with 1.26.",
            "uv add --no-sync numpy==1.26 &&",
        ),
        (
            ("ModuleNotFoundError", "No module named 'numpy.core.foo'"),
            "numpy 2.0 does not have numpy.core.foo; its last success ran with 1.26.",
            "uv add --no-sync numpy==1.26 &&",
        ),
    ],
)
def test_a_wrong_package_is_named_with_the_version_of_the_last_success(
    raised: tuple[str, str], cause: str, wanted: str
):
    outcome = "failed" if raised[0] == "AttributeError" else "packages"
    now = FAILED | {
        "outcome": outcome, "exception": {"name": raised[0], "text": raised[1]},
        "folder": "/work/the project",
        "packages": {"fingerprint": "y", "versions": {"numpy": "2.0", "python": "3.12"}},
    }  # fmt: skip
    before = BEFORE | {
        "packages": {"fingerprint": "x", "versions": {"numpy": "1.26", "torch": "2.9"}}
    }
    found = explain(task(), now, before=before)
    assert (found.kind, found.cause) == ("packages", cause)
    assert found.command.startswith("cd '/work/the project' && uv add")
    assert wanted in found.command
    assert facts(found)["Environment"] == (
        "1 package, Python 3.12; not as at its last success",
        True,
    )


def test_a_module_of_the_projects_own_is_no_wrong_package():
    own = {"name": "AttributeError", "text": "module 'model' has no attribute 'fit'"}
    assert explain(task(), FAILED | {"exception": own}).kind == "failed"


def test_without_evidence_airflows_own_words_are_taken():
    killed = ["begins", "Process terminated by signal. Likely out of memory error (OOM). For more"]
    found = explain(task(operator="_PythonDecoratedOperator"), {}, log=killed)
    assert found.kind == "signal"
    assert "which nobody measured" in found.cause
    assert found.lines == tuple(killed)
    raised = ["Traceback (most recent call last):", "ValueError: the loss is nan", "Done."]
    found = explain(task(operator="_PythonDecoratedOperator"), {}, log=raised)
    assert (found.kind, found.cause) == ("failed", "It raised ValueError: the loss is nan.")
    assert found.marked == 1
    mismatch = ["Executor LocalExecutor(4) reported that the task instance <x> finished with state "
                "failed, but the task instance's state attribute is queued."]  # fmt: skip
    assert explain(task(), {}, log=mismatch).kind == "lost"
    assert explain(task(), {}, log=["nothing of it"]).kind == "lost"
    assert explain(task(), FAILED, log=killed).kind == "failed"  # what was measured counts first


def test_a_command_that_ended_well_is_not_said_to_have_failed():
    found = explain(task(), FAILED | {"outcome": "succeeded", "sentence": "It ended well."})
    assert found.kind == "airflow"
    assert "Airflow did with it afterwards failed" in found.cause


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
    assert found.command == "mlops workflows why lora.train/one train"
    typed(found.command)


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
    more = BEFORE | {"timeout_s": 60.0, "memory": {"limit_bytes": 8e9}, "parameters": {"old": 1}}
    found = [(one.what, one.before, one.now) for one in differences(more, FAILED)]
    assert found == [
        ("parameter epochs", "", "3"), ("parameter old", "1", ""), ("parameter rank", "", "8"),
        ("memory limit", "8.00 GB", "4.00 GB"), ("timeout", "60 s", "2.0 h"),
    ]  # fmt: skip
    assert differences(BEFORE, FAILED | {"git": None, "packages": None, "revisions": "odd"}) == ()


def test_of_several_lines_with_its_name_the_last_is_marked():
    lines = ["KeyError: 'a'", "During handling of it:", "KeyError: 'loss'", "KeyErrors: 3"]
    assert explain(task(), FAILED | {"last_lines": lines}).marked == 2
    assert explain(task(), FAILED | {"exception": None}).marked is None


def test_heat_and_power_are_told_or_why_not():
    hot = Conditions("studio", 60, 1.0, thermal_max=2, thermal_s={"0": 30, "2": 30}, low_power=0.5,
                     battery=0.0, pressure_max=4)  # fmt: skip
    watts = Surroundings(hot, measured(28.04), "the whole machine")
    told = facts(explain(task(), FAILED, ran_under=watts))
    assert told["Heat"] == ("level 2 at most, throttled 50% of the time", True)
    assert told["Memory pressure"] == ("level 4 at most", True)
    assert told["Power"] == ("Low Power Mode 50% of the time", True)
    assert told["Power drawn"] == ("28.0 W by the whole machine, on average", True)
    about = replace(watts, power=estimated(9.0, "a model of the chip"))
    assert facts(explain(task(), FAILED, ran_under=about))["Power drawn"][0].startswith("≈ 9.0 W")
    linux = Surroundings(Conditions("vm", 60, 1.0), unavailable("not Apple Silicon"))
    told = facts(explain(task(), FAILED, ran_under=linux))
    assert told["Heat"] == told["Power"] == told["Memory pressure"] == (
        "its machine does not tell", False
    )  # fmt: skip
    assert told["Power drawn"] == ("not Apple Silicon", False)
    unsampled = Surroundings(Conditions("vm", 60, 0.0))
    told = facts(explain(task(), FAILED, ran_under=unsampled))
    assert told["Heat and power"] == ("no sample was taken meanwhile", False)
    cause = Cause("thermal", "Throttled", (), "Let it cool.", 0.3, "estimated", at(1), at(2))
    slowed = explain(
        task(), FAILED | {"outcome": "timeout"}, ran_under=replace(watts, causes=(cause,))
    )
    assert facts(slowed)["Slowed down by"] == ("Throttled", True)
    assert slowed.next_step.startswith("Its machine was slowed down. Let it cool.")
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


def test_names_are_words_and_pauses_have_a_length():
    odd = FAILED | {"exception": {"name": {"7": 1}, "text": None}, "host": {"name": [1]}}
    assert not {"Exception", "Machine"} & facts(explain(task(), odd)).keys()
    once = FAILED | {"pauses": [{"why": "heat"}], "paused_s": 120.0}
    assert facts(explain(task(), once))["Paused"][0] == "once by the thermal policy, 2 min in all"
    often = FAILED | {"pauses": [{}, {}], "paused_s": None}
    assert facts(explain(task(), often))["Paused"][0] == "2 times by the thermal policy"


def test_the_whole_file_is_read_for_it(tmp_path: Path):
    path = evidence.path_of(tmp_path, task())
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(FAILED))
    assert evidence.whole(tmp_path, task()) == FAILED
    assert "last_lines" not in evidence.read(tmp_path, task())
    path.write_text("[1]")
    assert evidence.whole(tmp_path, task()) == {}
