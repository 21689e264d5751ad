"""``mlops hardware`` and its tokens."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from click.testing import CliRunner, Result

from services.actions import records
from services.actions.journal import Journal
from services.cli import mlops
from services.commands import hardware, hardware_text
from services.engines.silicon.models import METRICS, ProcessUse, Reading, Sample
from services.engines.silicon.provider import measured, unavailable
from services.home import Home
from services.settings import Settings
from services.telemetry import tokens
from services.telemetry.models import HostState
from services.telemetry.store import Store
from tests.services.telemetry.machines import MAC, PROVIDER

NOW = datetime.now(UTC)
KEYS = {"value", "unit", "quality", "source", "reason", "at"}
READINGS = (
    measured("cpu_w", 4.25, "macmon 0.8.2", window_s=2.0),
    measured("gpu_ratio", 0.0, "macmon 0.8.2"),
    Reading("system_w", 21.0, "estimated", "battery", "by discharge"),
    unavailable("gpu_mhz", "macmon 0.8.2", "the GPU was not listed"),
    unavailable("ane_w", "macmon 0.8.2", "the GPU was not listed"),
)
WORK = (ProcessUse(7, 1.5, "python", "run:r1", "clip", 1.5, None, 3 << 20, 2 << 30),)


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, ("hardware", *words))
    assert done.exit_code == code, done.output
    return done


def put(home: Home, name: str = MAC.host, *, age_s: float = 2.0, processes=WORK) -> None:
    store = Store(home.telemetry, merge_in_background=False)
    store.introduce(replace(MAC, host=name), (PROVIDER,))
    for back in (age_s + 2, age_s):
        store.append(
            Sample(name, datetime.now(UTC) - timedelta(seconds=back), 2.0, READINGS, processes)
        )
    store.close()


def test_before_anything_was_sampled_it_says_what_to_do(home):
    done = run(code=1)
    assert done.stdout == ""
    assert "No machine has been sampled here yet." in done.stderr
    assert "mlops up" in done.stderr


def test_json_has_the_documented_shape(home):
    put(home)
    said = json.loads(run("--json").stdout)
    assert {"host", "chip", "apple_silicon", "readings"} <= set(said)
    assert (said["host"], said["chip"], said["apple_silicon"]) == ("mac-b", "Apple M3 Pro", True)
    assert set(said["readings"]) == {reading.metric for reading in READINGS}
    assert all(set(reading) >= KEYS for reading in said["readings"].values())
    watts = said["readings"]["cpu_w"]
    assert (watts["value"], watts["unit"], watts["quality"]) == (4.25, "W", "measured")
    assert watts["at"].endswith("Z")
    missing = said["readings"]["gpu_mhz"]
    assert (missing["value"], missing["reason"]) == (None, "the GPU was not listed")
    assert said["processes"][0]["owner"] == "run:r1"
    assert [one["host"] for one in said["hosts"]] == ["mac-b"]


def test_plain_text_names_figures_and_why_others_are_missing(home):
    put(home)
    out = run().stdout
    assert "mac-b · Apple M3 Pro · macOS 27.0 · 6 performance + 6 efficiency · 18 GPU cores" in out
    assert "CPU power\t4.2 W\tmeasured\tmacmon 0.8.2" in out
    assert "GPU\t0%\tmeasured\tmacmon 0.8.2" in out
    assert "System power\t21.0 W\testimated: by discharge\tbattery" in out
    assert "Unavailable (the GPU was not listed): GPU clock, Neural Engine power." in out
    assert "run:r1\tclip\tpython\t7\t75%\t–\t3.1 MB\t2.1 GB" in out


def test_figures_that_are_not_of_now_are_said_to_be_old(home):
    put(home, age_s=610)
    done = run()
    assert "These are its figures of 10 min ago" in done.stderr


def test_a_machine_is_chosen_by_name_and_an_unknown_one_is_a_sentence(home):
    put(home, "mac-a")
    put(home, "mac-b")
    assert run("--host", "mac-b").stdout.startswith("mac-b · ")
    out = run("--host", "mac-a").stdout
    assert "mac-b\tApple M3 Pro\t–\t0%\t–\t21.0 W\t" in out
    done = run("--host", "mac-z\x1b[31m", code=1)
    assert "These do: mac-a, mac-b." in done.stderr


def test_this_machine_comes_first_when_no_name_is_given(home, monkeypatch):
    put(home, "mac-a")
    put(home, "mac-b")
    monkeypatch.setattr(hardware, "_own_host", lambda: "mac-b")
    assert run().stdout.startswith("mac-b · ")


def test_words_of_a_hostile_process_do_not_steer_the_terminal(home):
    put(home, processes=(replace(WORK[0], name="a\x1b[2Jb\tc\nd"),))
    out = run().stdout
    assert "\x1b" not in out
    assert "a [2Jb c d" in out


def test_watching_in_a_pipe_prints_a_line_a_sample(home):
    put(home)
    code = "from services.cli import mlops; mlops(['hardware', '--watch', '--json'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as one:
        try:
            first = json.loads(one.stdout.readline())
            store = Store(home.telemetry, merge_in_background=False)
            store.append(
                Sample("mac-b", datetime.now(UTC), 2.0, (measured("cpu_w", 9.0, "macmon"),))
            )
            second = json.loads(one.stdout.readline())
            store.close()
        finally:
            one.kill()
    assert first["readings"]["cpu_w"]["value"] == 4.25
    assert second["readings"]["cpu_w"]["value"] == 9.0


def test_every_metric_has_words():
    for name, metric in METRICS.items():
        for value in (0.0, 1.0, 4.0):
            words = hardware_text.figure(Reading(name, value, "measured"))
            assert words
            assert words != "–"
            assert metric.unit != "W" or words.endswith(" W")
    assert hardware_text.figure(Reading("thermal_level", 2.0, "measured")) == "2 (heavy)"
    assert hardware_text.figure(Reading("low_power_mode", 0.0, "measured")) == "no"
    assert hardware_text.figure(None) == "–"


def test_a_whole_screen_can_be_drawn(home):
    from rich.console import Console

    put(home)
    store = Store(home.telemetry)
    found = store.hosts()
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(hardware_text.picture(found[0], (found[0], found[0]), NOW))
    console.file.close()
    text = console.export_text()
    assert "CPU power" in text
    assert "run:r1" in text


def test_a_machine_that_never_sent_anything_says_so():
    state = HostState(MAC, None, ())
    assert hardware_text.heading(state, NOW).endswith("never sampled")
    assert "has not sent a sample yet" in hardware_text.late(state, NOW)


# Tokens


def test_a_token_is_shown_once_with_the_whole_command(home):
    done = run("token", "mac-b")
    made = next(x for x in done.stdout.splitlines() if "MLOPS_AGENT_TOKEN=" in x).partition("=")[2]
    assert tokens.Tokens(home.secrets / "agents").holder(made).name == "mac-b"
    assert "./mlops agent --join http://127.0.0.1:9470" in done.stdout
    assert "listens on this machine alone" in done.stderr
    assert made not in run("tokens").stdout
    assert run("token", "mac-b", code=1).stderr.startswith("Error: There is a token mac-b already")


def test_the_command_names_the_address_at_which_agents_come_in(home, monkeypatch):
    monkeypatch.setenv("MLOPS_TELEMETRY_LISTEN", "192.0.2.7")
    (home.run / "ports.json").write_text('{"telemetry": 9500}')
    done = run("token", "mac-b")
    assert "--join http://192.0.2.7:9500" in done.stdout
    assert "without TLS" in done.stderr
    assert "this machine alone" not in done.stderr


def test_a_token_ends_and_the_list_tells_who_uses_which(home):
    folder = home.secrets / "agents"
    check, made = tokens.Tokens(folder), tokens.make(folder, "b")
    check.bind(check.holder(made), "mac-b")
    (row,) = json.loads(run("tokens", "--json").stdout)
    assert (row["name"], row["host"], row["last_at"]) == ("b", "mac-b", None)
    put(home, "mac-b", age_s=600)
    (row,) = json.loads(run("tokens", "--json").stdout)
    assert row["last_at"] is not None
    assert "b\tmac-b\t" in run("tokens").stdout
    assert "is refused from now on" in run("token", "b", "--revoke").stdout
    assert "There is no token b" in run("token", "b", "--revoke", code=1).stderr
    assert json.loads(run("tokens", "--json").stdout) == []
    assert "There is no token yet" in run("tokens").stdout
    assert run("token", "../b", code=2).stderr.startswith("Error: '../b' is no name")


def test_tokens_are_journalled_and_the_journal_knows_only_that_there_is_one(home):
    out = run("token", "mac-b").stdout
    made = next(x for x in out.splitlines() if "MLOPS_AGENT_TOKEN=" in x).partition("=")[2]
    run("token", "mac-b", "--revoke")
    journal = Journal.open(Settings())
    entries = [(one.kind, one.state) for one in records.history(journal)]
    assert sorted(entries) == [("add-machine-token", "done"), ("revoke-machine-token", "done")]
    assert [one.params for one in records.history(journal)] == [{"name": "mac-b"}] * 2
    assert hashlib.sha256(made.encode()).hexdigest() not in str(records.history(journal))
    journal.close()
    for path in home.databases.iterdir():
        assert made.encode() not in path.read_bytes()


def test_a_machine_is_removed_with_its_history_after_it_was_asked_for(home):
    put(home, "mac-a", age_s=600)
    put(home, "mac-b", age_s=2)
    assert "mac-b still reports" in run("remove", "mac-b", "--yes", code=1).stderr
    assert "These have: mac-a, mac-b" in run("remove", "mac-z", "--yes", code=1).stderr
    asked = CliRunner().invoke(mlops, ("hardware", "remove", "mac-a"), input="n\n")
    assert asked.exit_code == 1
    assert "They cannot be brought back." in asked.stdout
    assert "mac-a" in run("--json").stdout
    assert "Remove the machine mac-a: done." in run("remove", "mac-a", "--yes").stdout
    assert [one["host"] for one in json.loads(run("--json").stdout)["hosts"]] == ["mac-b"]


def test_an_agent_without_an_address_says_how_to_get_one(home):
    done = CliRunner().invoke(mlops, ("agent",))
    assert done.exit_code == 2
    assert "mlops hardware token NAME" in done.output


def test_a_kept_token_is_not_sent_to_another_address(home):
    kept = {"url": "http://127.0.0.1:1", "token": "secret", "certificate": ""}
    (home.secrets / "agent.json").write_text(json.dumps(kept))
    done = CliRunner().invoke(mlops, ("agent", "--join", "http://127.0.0.1:2"))
    assert done.exit_code == 2
    assert "with which token" in done.output
