"""Model servers as processes: started, seen, taken over, ended; whoever started them."""

import json
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.errors import BundleError, PlatformError
from services.home import Home
from services.serving import replicas, server_process
from services.serving.models import Target
from services.serving.preparing import Preparing, spec_of
from services.serving.pulse import SILENT, Pulse
from services.serving.replicas import ReplicaSpec
from services.serving.versions import Prepared
from tests.live import eventually
from tests.services.serving import lab

SERVER = """
import json, os, sys, time
def say(**event):
    os.write(1, json.dumps(event).encode() + b"\\n")
for event in json.loads(os.environ["LANG"]):
    say(**event)
print("words for the log", file=sys.stderr, flush=True)
if os.environ.get("TZ") == "ends":
    sys.exit(1)
time.sleep(600)
"""
READY = {
    "event": "ready", "backend": "cpu", "backend_reason": "because", "load_s": 0.5, "warm_s": 1,
    "memory": {"rss_bytes": 5, "peak_rss_bytes": 9},
}  # fmt: skip


def fine(spec: ReplicaSpec) -> None:
    del spec


@pytest.fixture
def home(tmp_path: Path):
    found = Home(tmp_path / "home")
    found.create()
    yield found
    for one in replicas.strays(found, set()):
        one.kill()


@pytest.fixture
def spec(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A model server that says what it is told and stays."""
    project = tmp_path / "project"
    (project / "mlops_client").mkdir(parents=True)
    (project / "mlops_client" / "__init__.py").touch()
    (project / "mlops_client" / "serving.py").write_text(SERVER)
    monkeypatch.setenv("LANG", json.dumps([READY]))
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    prepared = Prepared(lab.bundle_info(1), str(project), sys.executable, str(tmp_path))
    return spec_of(home, "tiny", "double")(Target(1, memory_bytes=100), prepared, 0)


def begun(spec: ReplicaSpec) -> psutil.Process:
    return psutil.Process(server_process.begin(spec, fine))


def test_nothing_is_seen_of_one_that_was_not_started(spec):
    assert replicas.look(spec).state == "absent"
    assert not replicas.ask_to_end(spec)


def test_what_it_says_is_seen(spec):
    process = begun(spec)
    seen = eventually(lambda: (one := replicas.look(spec)).state == "ready" and one)
    assert (seen.pid, seen.backend, seen.backend_reason) == (process.pid, "cpu", "because")
    assert (seen.load_s, seen.warm_s, seen.rss_bytes, seen.peak_bytes) == (0.5, 1.0, 5, 9)
    assert replicas.look(spec, memory=True).rss_bytes > 1 << 20
    assert eventually(lambda: replicas.tail(spec)) == "words for the log"


def test_it_is_started_without_secrets_in_the_projects_folder(spec):
    process = begun(spec)
    eventually(lambda: process.environ().get("MLOPS_REPLICA") == spec.id)  # its program has begun
    variables = process.environ()
    assert "SECRET_TOKEN" not in variables
    assert process.cwd() == spec.folder
    assert "--memory-bytes 100" in " ".join(process.cmdline())


def test_telemetry_is_told_whose_it_is(spec, home):
    process = begun(spec)
    said = json.loads((home.run / "processes" / f"{process.pid}.json").read_bytes())
    assert (said["owner"], said["project"]) == ("replica:tiny.double:1", "tiny")


def test_one_that_lives_is_taken_over_and_not_started_twice(spec, home):
    process = begun(spec)
    assert begun(spec) == process
    assert [one.id for one in replicas.records(home)] == [spec.id]


def test_one_that_fails_says_why(spec, monkeypatch):
    failed = {"event": "failed", "stage": "load", "reason": "no weights", "hint": "Build it."}
    monkeypatch.setenv("LANG", json.dumps([failed]))
    monkeypatch.setenv("TZ", "ends")
    begun(spec)
    seen = eventually(lambda: (one := replicas.look(spec)).state == "failed" and one)
    assert (seen.said, seen.hint, seen.stage) == ("no weights", "Build it.", "load")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_ended_is_seen_as_ended(spec, number):
    begun(spec).send_signal(number)
    eventually(lambda: replicas.look(spec).state == "ended")
    replicas.forget(spec)
    assert replicas.look(spec).state == "absent"


def test_a_bundle_that_is_not_right_starts_nothing(spec):
    def wrong(_spec: ReplicaSpec) -> None:
        raise BundleError("Another signature.", "Deploy it again.")

    with pytest.raises(BundleError):
        server_process.begin(spec, wrong)
    assert replicas.look(spec).state == "absent"
    told = server_process.said(BundleError("Another signature.", "Deploy it again."))
    assert told == {"said": "Another signature.", "hint": "Deploy it again."}


def test_an_environment_without_python_is_a_sentence(spec):
    with pytest.raises(PlatformError, match="could not be started"):
        server_process.begin(replace(spec, python="/nowhere/python"), fine)


def test_a_half_written_event_is_not_read(spec):
    begun(spec)
    eventually(lambda: replicas.look(spec).state == "ready")
    with Path(spec.events).open("ab") as file:
        file.write(b'{"event": "fai')
    assert replicas.look(spec).state == "ready"


def test_a_record_that_cannot_be_read_belongs_to_nobody(spec, home):
    process = begun(spec)
    Path(spec.record).write_text("{")
    assert replicas.records(home) == ()
    assert replicas.process_of(spec) is None
    assert replicas.strays(home, set()) == [process]
    assert replicas.strays(home, {spec.id}) == []  # it is young


def test_a_clock_that_is_set_ends_no_model_server(spec, monkeypatch):
    process = begun(spec)
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda one: began(one) + 3600)
    assert replicas.process_of(spec) == process
    assert replicas.look(spec).state != "ended"


def test_another_process_with_its_number_is_not_it(spec, home):
    process = begun(spec)
    other = replace(spec, id="tiny.double:1:0-other", record=str(home.run / "other.json"))
    replicas.keep_record(other, process.pid, process.create_time() - 60)
    assert replicas.process_of(other) is None


def test_one_that_was_never_noted_is_a_stray_though_another_took_its_place(spec, home, monkeypatch):
    # Who started it was killed before it wrote the record.
    with server_process._spawn(spec) as unnoted:
        process = begun(spec)
        assert replicas.strays(home, {spec.id}) == []  # it may be noted in a moment
        monkeypatch.setattr(replicas, "_YOUNG_S", -1.0)
        found = replicas.strays(home, {spec.id})
        unnoted.kill()
    assert [one.pid for one in found] == [unnoted.pid]
    assert process.is_running()


def test_what_a_model_server_started_is_no_stray(spec, home, monkeypatch):
    code = "import subprocess, sys; subprocess.run(['sleep', '600'])\n"
    Path(spec.folder, "mlops_client", "serving.py").write_text(code)
    process = begun(spec)
    eventually(process.children)
    monkeypatch.setattr(replicas, "_YOUNG_S", -1.0)
    assert replicas.strays(home, {spec.id}) == []
    assert len(replicas.strays(home, set())) == 2


# Pulse


def silent(address: str) -> dict[str, Any]:
    raise PlatformError(f"{address} does not answer.")


def test_a_model_server_that_answers_no_question_hangs(spec, monkeypatch):
    monkeypatch.setattr("services.serving.pulse.ASKED_S", 0.0)
    with ThreadPoolExecutor(1) as pool:
        pulse = Pulse(pool, silent)
        assert eventually(lambda: pulse.turn([spec])) == [spec]
        assert pulse.peak_bytes(spec.id) is None
        assert pulse.turn([]) == []
    assert SILENT == 3


def test_what_a_model_server_says_of_its_memory_is_kept(spec, monkeypatch):
    monkeypatch.setattr("services.serving.pulse.ASKED_S", 0.0)
    said = {"peak_rss_bytes": 100, "mlx_peak_bytes": 50, "mlx_active_bytes": 30}
    with ThreadPoolExecutor(1) as pool:
        pulse = Pulse(pool, lambda address: said)
        eventually(lambda: pulse.turn([spec]) or pulse.peak_bytes(spec.id))
        monkeypatch.setattr("sys.platform", "linux")
        assert (pulse.peak_bytes(spec.id), pulse.beside(spec.id)) == (100, (0, 0))
        monkeypatch.setattr("sys.platform", "darwin")
        assert (pulse.peak_bytes(spec.id), pulse.beside(spec.id)) == (150, (30, 50))


# Preparing


class NoProjects:
    def project_paths(self) -> tuple[Path, ...]:
        return ()


def prepared(preparing: Preparing, version: int = 1) -> Any:
    return eventually(
        lambda: not isinstance(one := preparing.ask("tiny", "double", Target(version)), str) and one
    )


def test_a_version_is_prepared_in_a_thread(home, tmp_path):
    folder = lab.lay_project(tmp_path / "projects")
    lab.lay_bundle(home, 1)
    preparing = Preparing(home, NoProjects(), folder.parent, lambda *_: Path(sys.executable))
    found = prepared(preparing)
    assert (found.folder, found.python, found.backend) == (str(folder), sys.executable, "auto")
    assert found.info.model == "double"
    preparing.close()


def test_what_was_prepared_and_not_taken_is_prepared_anew_later(home, tmp_path, monkeypatch):
    root = lab.lay_project(tmp_path / "projects").parent
    lab.lay_bundle(home, 1)
    asked, go_on = [], threading.Event()

    def python_of(*_: object) -> Path:
        asked.append(go_on.wait(10))
        if len(asked) == 1:
            raise PlatformError("It cannot be built.")
        return Path(sys.executable)

    preparing = Preparing(home, NoProjects(), root, python_of)
    assert isinstance(preparing.ask("tiny", "double", Target(1)), str)
    go_on.set()
    eventually(lambda: all(one.done() for one in preparing._under_way.values()))
    go_on.clear()  # whoever deployed it gave up, and deploys it again now
    monkeypatch.setattr("services.serving.preparing.FORGOTTEN_S", -1.0)
    assert isinstance(preparing.ask("tiny", "double", Target(1)), str)
    monkeypatch.undo()
    go_on.set()
    assert prepared(preparing).info.version == 1
    preparing.close()


def test_what_cannot_be_prepared_is_a_sentence(home, tmp_path):
    root = lab.lay_project(tmp_path / "projects").parent
    preparing = Preparing(home, NoProjects(), root, lambda *_: Path(sys.executable))
    with pytest.raises(BundleError, match="has no bundle"):
        prepared(preparing)
    lab.lay_bundle(home, 1)
    assert prepared(preparing).info.version == 1  # it is tried anew
    preparing.close()


def test_a_bug_while_one_is_prepared_is_of_that_one_alone(home, tmp_path):
    root = lab.lay_project(tmp_path / "projects").parent
    lab.lay_bundle(home, 1)

    def broken(*_: object) -> Path:
        raise ZeroDivisionError

    preparing = Preparing(home, NoProjects(), root, broken)
    with pytest.raises(PlatformError, match="ZeroDivisionError"):
        prepared(preparing)
    preparing.close()


def test_a_project_that_is_not_connected_is_a_sentence(home, tmp_path):
    lab.lay_bundle(home, 1)
    preparing = Preparing(home, NoProjects(), tmp_path, lambda *_: Path(sys.executable))
    with pytest.raises(Exception, match="tiny is not connected here"):
        prepared(preparing)
    preparing.close()
