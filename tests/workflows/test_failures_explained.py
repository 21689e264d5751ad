"""Real commands under the real runner fail in each way, and the explanation names why."""

import json
import os
import signal
import sys
import uuid
import venv
from pathlib import Path
from typing import Any

import pytest
from mlops_workflows.starting import NoEvidenceError, Watched

from services.commands.following import LogReader, task_run
from services.workflows.failure import Explanation, explain
from tests.airflow_lab import Lab
from tests.live import eventually
from tests.services.workflows.test_failure import task, typed
from tests.workflows.commands import done, order
from tests.workflows.test_runner import _task_process, until

pytestmark = [pytest.mark.airflow, pytest.mark.engine]


def telling(found: Explanation) -> set[str]:
    return {fact.label for fact in found.facts if fact.telling}


def facts(found: Explanation) -> dict[str, str]:
    return {fact.label: fact.said for fact in found.facts}


def changed(found: Explanation) -> list[tuple[str, str, str]]:
    return [(one.what, one.before, one.now) for one in found.different]


def succeeded(home: Path, code: str = "print('well')", **more: Any) -> dict[str, Any]:
    found, _ = done(home, code, attempt=1, **more)
    assert found["outcome"] == "succeeded"
    return found


def recorded(home: Path, revision: str) -> None:
    """Note a version of the data, as the platform does in a project's folder."""
    noted = home / "project" / ".mlops" / "versions"
    noted.mkdir(parents=True, exist_ok=True)
    (noted / "data.json").write_text(json.dumps({"revision": revision}))


def test_a_training_that_takes_more_memory_than_its_limit(tmp_path: Path):
    before = succeeded(tmp_path, parameters={"batch_size": 8}, memory_limit_bytes=200_000_000)
    code = (
        "import time\nheld = []\n"
        "for step in range(200): held.append(bytearray(20_000_000)); time.sleep(0.05)"
    )
    given: dict[str, Any] = {"parameters": {"batch_size": 64}, "memory_limit_bytes": 200_000_000}
    failed, _ = done(tmp_path, code, attempt=2, **given)
    found = explain(task(), failed, before=before)
    peak = failed["memory"]["peak_bytes"]
    assert (found.kind, telling(found)) == ("memory", {"Most memory"})
    assert found.cause.startswith(f"It held {peak / 1e9:.2f} GB of memory, more than the 0.20 GB")
    assert facts(found)["Most memory"] == f"{peak / 1e9:.2f} GB of 0.20 GB it may have"
    assert changed(found) == [("parameter batch_size", "8", "64")]
    assert found.setting.startswith("memory_limit_gb = ")
    assert found.command == "mlops workflows trigger lora.train --param batch_size=32"
    # With a limit above what it held, the same end is no want of memory.
    other = failed | {"outcome": "signal", "sentence": "It was ended by SIGTERM.", "stopped": None}
    assert explain(task(), other, before=before).kind == "signal"


@pytest.mark.skipif(sys.platform != "linux", reason="macOS enforces no RLIMIT_AS")
def test_a_training_that_gets_no_more_memory(tmp_path: Path):
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n"
        "print('loads', flush=True)\nbytearray(1 << 30)"
    )
    failed, _ = done(tmp_path, code)
    found = explain(task(), failed)
    assert found.kind == "memory"
    assert "MemoryError" in found.cause
    assert found.lines[found.marked or 0] == "MemoryError"
    assert found.setting.startswith("needs.memory_gb = ")


def test_a_package_of_another_version_and_one_that_is_gone(tmp_path: Path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    (packages,) = environment.glob("lib/python3*/site-packages")
    module = packages / "gauge_kit.py"

    def install(version: str, text: str) -> None:
        for old in packages.glob("gauge_kit-*"):
            old.rmdir()
        (packages / f"gauge_kit-{version}.dist-info").mkdir()
        module.write_text(text)

    code = "from gauge_kit import reading\nprint(reading())"
    given: dict[str, Any] = {"environment": environment, "command": ("python", "-c", code)}
    install("1.4", "def reading(): return 3\n")
    before = succeeded(tmp_path, **given)

    install("2.0", "def value(): return 3\n")
    failed, _ = done(tmp_path, "", attempt=2, **given)
    found = explain(task(), failed, before=before)
    assert found.kind == "packages"
    assert found.cause == "gauge-kit 2.0 does not have reading; its last success ran with 1.4."
    assert changed(found) == [("package gauge-kit", "1.4", "2.0")]
    assert telling(found) == {"Environment"}
    assert f"cd {tmp_path / 'project'} && uv add --no-sync gauge-kit==1.4" in found.command
    assert "ImportError" in found.lines[found.marked or 0]

    next(packages.glob("gauge_kit-*")).rmdir()
    module.unlink()
    failed, _ = done(tmp_path, "", attempt=3, **given)
    found = explain(task(), failed, before=before)
    assert found.cause == (
        "Its environment does not have the module gauge_kit; its last success ran with 1.4."
    )
    # Of an environment that has it, the cause is another one.
    there = failed | {"packages": before["packages"]}
    assert explain(task(), there, before=before).cause == "gauge-kit 1.4 does not have gauge_kit."


def test_data_that_is_not_there(tmp_path: Path):
    code = "open('data/train.npz').read(); print('read')"
    (tmp_path / "project" / "data").mkdir(parents=True)
    file = tmp_path / "project" / "data" / "train.npz"
    file.write_text("1")
    recorded(tmp_path, "d1e2f3")
    before = succeeded(tmp_path, code)
    file.unlink()
    recorded(tmp_path, "a4b5c6")
    failed, _ = done(tmp_path, code, attempt=2)
    found = explain(task(), failed, before=before)
    assert (found.kind, found.cause) == (
        "data", "data/train.npz is not there, a file of its data."
    )  # fmt: skip
    assert ("data", "d1e2f3", "a4b5c6") in changed(found)
    assert found.command == "mlops data checkout toy d1e2f3"
    typed(found.command)
    # A file that is not of its data is not said to be.
    failed, _ = done(tmp_path, code.replace("data/", "notes/"), attempt=3)
    found = explain(task(), failed, before=before)
    assert (found.kind, found.command.split()[2]) == ("failed", "logs")


def test_a_training_that_takes_longer_than_it_may(tmp_path: Path):
    code = "import time; print('step 1', flush=True); time.sleep(60)"
    before = succeeded(tmp_path, parameters={"epochs": 3}, timeout_s=0.7)
    failed, _ = done(tmp_path, code, attempt=2, parameters={"epochs": 300}, timeout_s=0.7)
    found = explain(task(), failed, before=before)
    assert (found.kind, telling(found)) == ("timeout", {"Ran for"})
    assert "longer than its timeout of 0.7 s" in found.cause
    assert changed(found) == [("parameter epochs", "3", "300")]
    assert found.setting == 'timeout = "2s"'
    assert found.lines == ("step 1",)
    # The same evidence of one that somebody cancelled proposes no other timeout.
    cancelled = explain(task(), failed | {"outcome": "cancelled"})
    assert (cancelled.kind, cancelled.setting) == ("cancelled", "")


def test_a_worker_that_is_killed(tmp_path: Path):
    file = order(tmp_path, "").file
    process = _task_process(tmp_path, "import time; print('step 1', flush=True); time.sleep(60)")
    until(lambda: file.exists() and "pid" in file.read_text())
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: json.loads(file.read_text())["outcome"] != "running")
    found = explain(task(), json.loads(file.read_text()))
    assert found.kind == "lost"
    assert "The Airflow worker that watched it died" in found.cause
    assert found.command == "mlops workflows retry lora.train/one"
    assert process.stdout is not None
    process.stdout.close()


def test_a_runner_that_is_killed_leaves_a_cause_too(tmp_path: Path):
    watched = Watched(order(tmp_path, "import time; print('up', flush=True); time.sleep(60)"))
    file = order(tmp_path, "").file

    def hear(_line: str) -> None:
        until(lambda: bool(order(tmp_path, "").place.lock(tmp_path / "evidence").read_text()))
        os.kill(watched.pid, signal.SIGKILL)

    with pytest.raises(NoEvidenceError) as raised:
        watched.follow(hear)
    kept = json.loads(file.read_text())
    assert kept["outcome"] == "running"
    found = explain(task(), kept)
    assert found.kind == "lost"
    assert f"Its last sign is of {kept['at'][:19].replace('T', ' ')} UTC." in found.cause
    # With the task's own log, which holds the exception, it is known what was killed.
    found = explain(task(), kept, log=[f"AirflowException: {raised.value}"])
    assert found.cause.startswith("What watched its command was killed")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_task_that_a_real_airflow_lost_is_explained_by_its_log(airflow_lab_shared: Lab):
    lab, run_id = airflow_lab_shared, f"lost__{uuid.uuid4().hex[:12]}"
    eventually(lab.well, 120)
    lab.airflow.trigger("drill.train", run_id, {"wait_s": 60})
    running = eventually(
        lambda: [
            one for one in lab.airflow.task_instances("drill.train", run_id, states=["running"])
            if one.task_id == "fit" and one.map_index == 0 and one.pid
        ],
        60,
    )  # fmt: skip
    os.kill(running[0].pid or 0, signal.SIGKILL)

    def failed() -> Any:
        one = lab.airflow.task_instance("drill.train", run_id, "fit", 0)
        return one if one.state == "failed" else None

    known = task_run(eventually(failed, 120))
    log = eventually(lambda: tuple(LogReader(lab.airflow, known, 1, whole=True).news()), 60)
    lab.airflow.set_run_state("drill.train", run_id, "failed")
    found = explain(known, {}, log=log)
    assert found.kind == "signal", log
    assert found.cause.startswith("Its process was killed by SIGKILL.")
    assert found.command == f"mlops workflows retry drill.train/{run_id}"
    assert found.lines == log[-20:]
    assert explain(known, {}).kind == "unknown"
