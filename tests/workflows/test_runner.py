"""How a command under the runner ends, and what is known of it then. All processes are real."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from mlops_workflows import memory
from mlops_workflows.files import write_whole
from mlops_workflows.group import alive, kill_left
from mlops_workflows.outcome import Facts, verdict
from mlops_workflows.starting import NoEvidenceError, Watched

from tests.workflows.commands import GRACE_S, done, order

pytestmark = pytest.mark.engine
SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
FAMILY = (
    "import subprocess, sys, time, pathlib; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "pathlib.Path('child').write_text(str(child.pid)); print('up', flush=True); "
)


def until(holds: Callable[[], bool], patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_command_that_ends_well_is_streamed_measured_and_told(tmp_path: Path):
    code = (
        "import json, os, time\n"
        "print('begins'); held = bytearray(150_000_000); time.sleep(0.4)\n"
        "print(os.environ['MLOPS_TASK'])\n"
        "line = json.dumps({'run_id': 'abc', 'project': 'toy', 'experiment_id': '1'})\n"
        "open(os.environ['MLOPS_RUN_FILE'], 'a').write(line + '\\n')\n"
        "print('no end of line', end='')"
    )
    found, said = done(tmp_path, code, parameters={"epochs": 3}, memory_limit_bytes=1_000_000_000)
    job = "toy.train/manual__2026-01-01T00:00:00+00:00/train/1"
    assert said == ["begins", job, "no end of line"] == found["last_lines"]
    assert (found["outcome"], found["exit_code"], found["signal"]) == ("succeeded", 0, None)
    assert found["job"] == job
    assert [run["run_id"] for run in found["runs"]] == ["abc"]
    assert found["parameters"] == {"epochs": 3}
    assert found["memory"]["peak_bytes"] > 150_000_000
    assert found["memory"]["limit_bytes"] == 1_000_000_000
    assert 0.4 <= found["seconds"] < 10
    assert found["host"]["name"]
    assert found["disk"]["free_bytes"] > 0


def test_memory_is_that_of_the_whole_tree(tmp_path: Path):
    child = "held = bytearray(90_000_000); import time; time.sleep(0.6)"
    code = (
        "import subprocess, sys\n"
        f"all = [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]\n"
        "[one.wait() for one in all]"
    )
    found, _ = done(tmp_path, code)
    assert found["memory"]["peak_bytes"] > 180_000_000


def test_a_spike_between_two_looks_is_the_kernels_figure(tmp_path: Path):
    meter = memory.Meter(os.getpid(), peak_bytes=10)
    meter.settle(2048)
    assert meter.peak_bytes == (2048 if sys.platform == "darwin" else 2048 * 1024)


@pytest.mark.parametrize(
    ("code", "outcome", "said"),
    [
        ("raise ValueError('shape (3,) is not (4,)')", "failed", "ValueError: shape (3,)"),
        ("import sys; sys.exit(7)", "failed", "exit code 7"),
        ("import no_such_package", "packages", "No module named 'no_such_package'"),
        ("open('data/train.npz')", "data", "data/train.npz"),
        ("open('elsewhere.txt')", "failed", "elsewhere.txt"),
        ("import os; os.kill(os.getpid(), 9)", "signal", "SIGKILL"),
        ("import os; os.kill(os.getpid(), 11)", "signal", "SIGSEGV"),
        (
            "import resource; limit = 400 << 20\n"
            "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); bytearray(1 << 30)",
            "memory",
            "It got no more memory: MemoryError",
        ),
    ],
)
def test_every_end_is_told_apart(tmp_path: Path, code: str, outcome: str, said: str):
    found, _ = done(tmp_path, code)
    assert found["outcome"] == outcome
    assert said in found["sentence"]
    assert "Traceback" not in found["sentence"]


def test_a_program_that_is_not_there_is_a_sentence(tmp_path: Path):
    found, _ = done(tmp_path, "", command=("no-such-program",))
    assert found["outcome"] == "not started"
    assert "no-such-program could not be started" in found["sentence"]


def test_the_last_200_lines_are_kept_and_all_are_passed_on(tmp_path: Path):
    found, said = done(tmp_path, "for n in range(1000): print(n)")
    assert said == [str(n) for n in range(1000)]
    assert found["last_lines"] == said[-200:]
    assert found["lines"] == 1000


def test_a_token_of_the_projects_environment_is_not_in_the_log(tmp_path: Path):
    (tmp_path / "env").write_text("MLFLOW_TRACKING_TOKEN=very-secret-token\nMLFLOW_WORKSPACE=toy\n")
    code = "import os; print(os.environ['MLFLOW_TRACKING_TOKEN'], os.environ['MLFLOW_WORKSPACE'])"
    found, said = done(tmp_path, code, env_file=tmp_path / "env")
    assert said == ["*** toy"]
    assert "very-secret" not in json.dumps(found)


def test_airflows_own_variables_do_not_reach_a_project(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a-secret-of-airflow")
    _, said = done(tmp_path, "import os; print([n for n in os.environ if 'AIRFLOW' in n])")
    assert said == ["[]"]


def test_of_the_platforms_settings_a_project_sees_what_its_own_file_and_the_order_name(
    tmp_path: Path, monkeypatch
):
    (tmp_path / "env").write_text("MLFLOW_TRACKING_URI=http://ours\nMLOPS_PROJECT=toy\n")
    for name in ("MLOPS_MLFLOW_URL", "MLOPS_AIRFLOW_PASSWORD", "MLOPS_HOME", "MLFLOW_TRACKING_URI",
                 "PYTHONPATH", "AWS_SECRET_ACCESS_KEY", "VIRTUAL_ENV"):  # fmt: skip
        monkeypatch.setenv(name, os.environ.get(name, "of the platform"))
    code = (
        "import json, os\n"
        "words = ('MLOPS', 'MLFLOW', 'PYTHON', 'AWS', 'VIRTUAL')\n"
        "print(json.dumps({n: v for n, v in os.environ.items() if n.startswith(words)}))"
    )
    given = {"env_file": tmp_path / "env", "variables": {"MLOPS_CLIENT": "2"}}
    _, said = done(tmp_path, code, told=tmp_path / "weights.json", **given)
    seen = json.loads(said[0])
    folders = {seen.pop("MLOPS_RUN_FILE"), seen.pop("MLOPS_PAUSE")}
    assert all("mlops-task-" in folder for folder in folders)
    assert seen == {
        "MLFLOW_TRACKING_URI": "http://ours",
        "MLOPS_PROJECT": "toy",
        "MLOPS_CLIENT": "2",
        "MLOPS_TASK": order(tmp_path, "").place.job,
        "PYTHONUNBUFFERED": "1",
    }


def test_a_timeout_ends_the_whole_group(tmp_path: Path):
    found, _ = done(tmp_path, FAMILY + "time.sleep(60)", timeout_s=0.7)
    assert found["outcome"] == "timeout"
    assert "longer than its timeout of 0.7 s" in found["sentence"]
    assert not running(int((tmp_path / "project" / "child").read_text()))


def test_a_process_that_left_the_group_is_ended_with_it(tmp_path: Path):
    code = FAMILY.replace("60)'])", "60)'], start_new_session=True)") + "time.sleep(60)"
    assert "start_new_session" in code
    found, _ = done(tmp_path, code, timeout_s=0.7)
    assert found["outcome"] == "timeout"
    assert not running(int((tmp_path / "project" / "child").read_text()))


def test_who_ignores_sigterm_is_killed_after_its_grace_and_that_is_told(tmp_path: Path):
    found, _ = done(tmp_path, STUBBORN, timeout_s=0.5)
    assert (found["outcome"], found["signal"]) == ("timeout", "SIGKILL")
    assert "ignored SIGTERM" in found["sentence"]
    assert 0.5 + GRACE_S <= found["seconds"] < 8


def test_a_stopped_process_is_ended_too(tmp_path: Path):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    found, _ = done(tmp_path, code, timeout_s=0.5)
    assert found["outcome"] == "timeout"
    assert found["seconds"] < 8


def test_what_a_command_leaves_behind_in_its_group_is_ended(tmp_path: Path):
    found, said = done(tmp_path, FAMILY)
    assert found["outcome"] == "succeeded"
    assert said[-1] == "Processes that it left behind were ended."
    assert not running(int((tmp_path / "project" / "child").read_text()))


def test_a_cancelled_command_may_still_write_its_checkpoint(tmp_path: Path):
    code = (
        "import signal, sys, time\n"
        "def end(*_): print('checkpoint', flush=True); time.sleep(0.2); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(60)"
    )
    watched = Watched(order(tmp_path, code, grace_s=5.0))
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        if line == "up":
            watched.cancel()

    found = watched.follow(hear)
    assert said == ["up", "checkpoint"]
    assert (found["outcome"], found["exit_code"]) == ("cancelled", 0)


def _task_process(home: Path, code: str) -> "subprocess.Popen[bytes]":
    """Start a process that follows a command, as a task does."""
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from tests.workflows.commands import done\n"
        "import tests.workflows.commands as c\n"
        "print(done(Path(sys.argv[1]), sys.stdin.read())[0]['outcome'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(home), *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(code.encode())
    process.stdin.close()
    return process


def test_the_command_ends_when_its_task_is_killed_and_the_evidence_says_lost(tmp_path: Path):
    file = order(tmp_path, "").file
    task = _task_process(tmp_path, FAMILY + "time.sleep(60)")
    until((tmp_path / "project" / "child").exists)
    child = int((tmp_path / "project" / "child").read_text())
    os.killpg(task.pid, signal.SIGKILL)  # as Airflow kills a task: its whole group, without grace
    task.wait()
    until(lambda: not running(child))
    until(lambda: json.loads(file.read_text())["outcome"] == "lost")
    assert task.stdout is not None
    task.stdout.close()


def test_a_try_that_is_delivered_twice_runs_once_and_both_hear_how_it_went(tmp_path: Path):
    code = "import time; open('runs', 'a').write('x'); time.sleep(0.8); print('done')"
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: done(tmp_path, code)[0], range(3)))
    assert (tmp_path / "project" / "runs").read_text() == "x"
    assert [one["outcome"] for one in found] == ["succeeded"] * 3
    again, said = done(tmp_path, code)
    assert (again["outcome"], said) == ("succeeded", [])


def test_the_next_try_waits_for_the_one_before_to_be_gone(tmp_path: Path):
    code = (
        "import os, sys\n"
        "os.open('busy', os.O_CREAT | os.O_EXCL)\n"
        "import time; time.sleep(0.5); os.unlink('busy')"
    )
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(done, tmp_path, code, attempt=n) for n in (1, 2)]
        assert [one.result()[0]["outcome"] for one in tries] == ["succeeded"] * 2


def test_when_the_runner_is_killed_the_task_ends_the_command_itself(tmp_path: Path):
    watched = Watched(order(tmp_path, FAMILY + "time.sleep(60)"))
    seen: list[int] = []

    def hear(_line: str) -> None:
        seen.append(int((tmp_path / "project" / "child").read_text()))
        until(lambda: bool(order(tmp_path, "").place.lock(tmp_path / "evidence").read_text()))
        os.kill(watched.pid, signal.SIGKILL)

    with pytest.raises(NoEvidenceError, match="left no evidence"):
        watched.follow(hear)
    assert not running(seen[0])


def test_a_group_of_another_task_is_left_alone(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEP], env={"MLOPS_TASK": "theirs"}, start_new_session=True
    )
    try:
        until(lambda: memory.works_for(process.pid, "theirs"))
        assert not kill_left(process.pid, "ours")
        assert alive(process.pid)
    finally:
        process.kill()
        process.wait()


def test_a_full_disk_ends_no_training(tmp_path: Path, monkeypatch):
    """The evidence cannot be renewed while it runs; the last write tells in a sentence."""
    target = tmp_path / "no-folder"
    target.write_text("a file")
    watched = Watched(order(tmp_path, "print(1)", evidence=target))
    with pytest.raises(NoEvidenceError, match="could not be watched"):
        watched.follow(lambda _line: None)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path):
    write_whole(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_whole(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_kill_for_want_of_memory_is_told_from_another_kill():
    def killed(**more: int) -> str:
        given = {"peak_bytes": 7_900_000_000, "limit_bytes": 16_000_000_000, "oom_kills": 0}
        facts = Facts(-9, None, False, (), (), None, 20.0, **given | more)
        return verdict(facts).outcome

    assert killed() == "signal"
    assert killed(oom_kills=1) == "memory"
    assert killed(limit_bytes=8_000_000_000) == "memory"
    assert killed(total_bytes=8_000_000_000) == "memory"
