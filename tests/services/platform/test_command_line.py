import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from services import cli
from services.commands import progress
from services.commands import testing as testing_commands
from services.platform.state import EngineState, PlatformState
from tests.services.platform.conftest import free_port, kept, live, small_spec


@pytest.fixture
def run(home):
    def invoke(*arguments: str):
        return CliRunner().invoke(cli.mlops, arguments)

    return invoke


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_line_of_the_table_leads_to_a_command(name):
    command = cli.mlops.get_command(None, name)
    assert command is not None
    assert command.get_short_help_str()


def test_status_tells_what_the_shape_promises(run, home):
    done = run("status", "--json")
    assert done.exit_code == 0
    document = json.loads(done.output)
    assert document["home"] == str(home.root)
    assert document["disk"] == ""
    promised = {
        "name", "state", "since", "age_s", "detail", "version", "url", "pid", "rss_bytes",
    }  # fmt: skip
    for engine in document["engines"]:
        assert promised <= set(engine)
        assert engine["state"] == "never"


def test_status_of_a_garbage_state_is_a_sentence_and_exit_0(run, home):
    (home.run / "state.json").write_text("{")
    done = run("status", "--json")
    assert done.exit_code == 0
    assert "cannot be read" in done.stderr
    assert json.loads(done.stdout)["engines"]


def test_status_of_a_full_disk_is_a_sentence_and_exit_0(run, home, monkeypatch):
    usage = type("Usage", (), {"free": 2_500_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    done = run("status")
    assert done.exit_code == 0
    assert "The disk is full: 2.5 MB free at" in done.stderr
    assert "Free some space" in done.stderr
    told = run("status", "--json")
    assert json.loads(told.output)["disk"] == done.stderr.strip()


def test_down_where_nothing_runs_says_so(run):
    done = run("down")
    assert (done.exit_code, done.output) == (0, "Nothing runs.\n")


def test_restart_where_nothing_runs_is_exit_1(run):
    done = run("restart", "mlflow")
    assert done.exit_code == 1
    assert "Nothing runs here." in done.stderr


@pytest.mark.parametrize("command", ["restart", "logs"])
def test_an_unknown_engine_names_the_known_ones(run, command):
    done = run(command, "nonsense")
    assert done.exit_code == 1
    assert "controller, dashboard, evidently, gateway, mlflow, predictions, serving" in done.stderr


@pytest.mark.parametrize("arguments", [["logs"], ["restart"], ["nonsense"], ["up", "--nonsense"]])
def test_wrong_usage_is_exit_2(run, arguments):
    assert run(*arguments).exit_code == 2


def test_logs_show_the_end(run, home):
    (home.logs / "mlflow.log").write_text("one\ntwo\nthree\n")
    assert run("logs", "mlflow", "-n", "2").output == "two\nthree\n"


def test_logs_of_an_engine_that_wrote_nothing_is_a_sentence(run):
    done = run("logs", "mlflow")
    assert done.exit_code == 1
    assert "has not written a log" in done.stderr


def test_a_wrong_setting_is_a_sentence_and_nothing_starts(run, home, monkeypatch):
    monkeypatch.setenv("MLOPS_MLFLOW_PORT", "many")
    done = run("up")
    assert done.exit_code == 1
    assert "mlflow_port" in done.stderr
    assert "MLOPS_MLFLOW_PORT" in done.stderr
    assert not (home.run / "state.json").exists()


def test_broken_settings_toml_is_a_sentence(run, home):
    (home.root / "settings.toml").write_text("port = = 3")
    done = run("up")
    assert done.exit_code == 1
    assert "settings.toml is not TOML" in done.stderr


def test_up_where_it_runs_says_so_and_shows_where_the_dashboard_is(run, home, platform_process):
    port = free_port()
    running = platform_process(port)
    from tests.services.platform.conftest import noted, wait_until

    wait_until(lambda: noted(home).phase == "live")
    done = run("up", "--wait")
    assert f"already runs (supervisor pid {running.pid})" in done.output
    assert done.exit_code == 0


def test_progress_in_a_pipe_is_a_line_a_change(capsys):
    starting = EngineState("mlflow", "MLflow", phase="starting", since=100.0)
    state = PlatformState(started_at=100.0, engines=(starting,))
    up = starting.with_phase("live", 106.0)
    with progress.shown() as draw:
        draw(state)
        draw(state)
        draw(PlatformState(started_at=100.0, engines=(up,)))
    assert capsys.readouterr().out.splitlines() == ["MLflow: starting", "MLflow: live after 6.0 s"]


def test_a_real_engine_is_shown_live(run, home):
    with kept(home, small_spec("small", free_port())) as supervisor:
        live(supervisor)
        with progress.shown() as draw:
            draw(supervisor.state)


def test_tests_without_a_browser_fail_with_a_sentence(run, monkeypatch):
    monkeypatch.setenv("MLOPS_CHROMIUM", "/no/such/browser")
    done = run("test")
    assert done.exit_code == 1
    assert "need Chromium" in done.stderr


def test_tests_without_postgres_fail_with_a_sentence(run, monkeypatch):
    monkeypatch.setattr(testing_commands, "browser", lambda: "/a/browser")
    monkeypatch.setenv("MLOPS_POSTGRES_BIN", "/no/such/folder")
    monkeypatch.setattr("os.execve", lambda *call: pytest.fail("it went on without"))
    done = run("test")
    assert done.exit_code == 1
    assert "need Postgres" in done.stderr
    assert "apt install postgresql" in done.stderr


def test_fast_tests_leave_out_engines_browser_and_slow_ones(run, monkeypatch):
    called = {}
    monkeypatch.setattr("os.chdir", lambda path: None)
    monkeypatch.setattr("os.execve", lambda *call: called.update(argv=call[1]) or sys.exit(0))
    monkeypatch.setattr(testing_commands, "browser", lambda: None)
    monkeypatch.setattr(testing_commands, "postgres_programs", lambda: None)
    assert run("test", "--fast", "tests/test_layers.py", "-x", "-k", "layers").exit_code == 0
    assert called["argv"][2:5] == [
        "pytest",
        "-m",
        "not engine and not browser and not slow and not full",
    ]
    assert called["argv"][-3:] == ["-x", "-k", "layers"]
    assert "-n" not in called["argv"]


FAST = "not engine and not browser and not slow and not full"


@pytest.fixture
def turns(monkeypatch):
    """What pytest would be run with, in turn; each ends with the next of ``codes``."""
    asked: list[list[str]] = []
    codes = [0, 0]

    def ended(argv, env, check):
        asked.append(argv[3:])
        return subprocess.CompletedProcess(argv, codes[len(asked) - 1])

    monkeypatch.setattr("os.chdir", lambda path: None)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("subprocess.run", ended)

    def replaced(*call: list[str]):
        asked.append(call[1][3:])
        raise SystemExit(0)

    monkeypatch.setattr("os.execve", replaced)
    monkeypatch.setattr(testing_commands, "browser", lambda: "chromium")
    monkeypatch.setattr(testing_commands, "postgres_programs", lambda: Path("/postgres"))
    return asked, codes


def test_all_fast_tests_run_on_all_cores(run, turns):
    asked, _ = turns
    assert run("test", "--fast", "--durations=9").exit_code == 0
    fast = ["-m", FAST, "--without-longer", "--hypothesis-profile=fast"]
    assert asked[0] == [*fast, "-n", "2", "--dist", "worksteal", "--durations=9"]


def test_all_tests_run_in_two_turns(run, turns):
    asked, _ = turns
    assert run("test", "-x").exit_code == 0
    fast, others = asked
    assert fast == ["-m", FAST, "-n", "2", "--dist", "worksteal", "-x"]
    files = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    assert others == ["-m", f"not ({FAST})", *files, "--reruns", "1", "-rfER", "-x"]


def test_chosen_files_run_in_one_process(run, turns):
    asked, _ = turns
    run("test", "tests/test_layers.py")
    assert asked == [["tests/test_layers.py"]]


@pytest.mark.parametrize(
    ("of_both", "code"),
    [((0, 0), 0), ((1, 0), 1), ((0, 1), 1), ((5, 0), 0), ((0, 5), 0), ((5, 5), 5)],
)
def test_what_fails_in_either_turn_fails(run, turns, of_both, code):
    asked, codes = turns
    codes[:] = of_both
    assert run("test").exit_code == code
    assert len(asked) == 2
