"""``mlops why``: a real mirror, and recordings in the place of the telemetry store."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.commands import why as command
from services.engines.mlflow.models import Point
from services.errors import InputError
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from services.telemetry.models import HostState
from services.telemetry.spans import REACH_S
from tests.services.mirror.conftest import tracked
from tests.services.telemetry.recordings import BUSY, HOST, MAC, Kept, at, recording, use

RUN_ID = f"{2:032x}"
BEFORE_ID = f"{1:032x}"
OWNER = f"run:{RUN_ID}"
NOW = at(4000)


def ms(seconds: float) -> int:
    return round(at(seconds).timestamp() * 1000)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """A run of ten minutes that throttled in its second half, and an undisturbed one before."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    Home.locate().create()
    engine, _ = schema.prepare(Settings().mirror_url)
    tags = {
        "mlops.technique": "lora",
        "mlops.host": "Studio.local",
        "mlops.backend": "mlx-metal",
    }
    store = Store(engine)
    runs = [
        tracked(1, started_ms=ms(-2000), ended_ms=ms(-1400), tags=tags, name="before"),
        tracked(2, started_ms=ms(0), ended_ms=ms(600), tags=tags),
    ]
    store.write_runs("p", runs)
    slow = [Point(1.0, step, ms(step / 10 if step < 3000 else 300 + (step - 3000) / 5))
            for step in range(0, 4500, 10)]  # fmt: skip
    store.extend_curve(RUN_ID, "loss", slow)
    store.extend_curve(BEFORE_ID, "loss", [Point(1.0, s, ms(-2000 + s / 10)) for s in range(6000)])
    engine.dispose()
    samples = recording(
        600,
        lambda s: BUSY if s <= 300 else {**BUSY, "thermal_level": 2, "gpu_mhz": 800.0},
        (use(OWNER),),
    )
    earlier = recording(600, BUSY, (use(f"run:{BEFORE_ID}"),), begin_s=-2000)
    telemetry = Kept(HostState(MAC, NOW, ()), samples=(*earlier, *samples))
    monkeypatch.setattr(command, "_telemetry", lambda: telemetry)
    monkeypatch.setattr(command, "_now", lambda: NOW)
    return telemetry


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, ["why", *words])
    assert done.exit_code == code, done.output
    return done


def test_a_run_is_explained_in_sentences(kept: Kept):
    said = run(RUN_ID).stdout.splitlines()
    assert said[0] == (f"{HOST}: 2026-11-03 10:00:00Z to 2026-11-03 10:10:00Z, 100 % of it sampled")
    assert said[1].startswith(
        "Throttled by heat for 50 % of the time (25 % of the speed). Its steps"
    )
    assert "1. Throttled by heat for 50 % of the time (25 % of the speed)" in said
    assert "   - The busy GPU ran at 800 MHz then, at 1375 MHz at level 0." in said
    assert said[-2:] == [
        "Looked for and not found:",
        "  Low Power Mode, memory pressure and swap, the budget of GPU memory, others on the "
        "machine, computing on the CPU instead of the GPU, a GPU that waits, battery",
    ]
    assert kept.asked == [(HOST, at(-REACH_S), at(600 + REACH_S))]


def test_json_has_stable_keys(kept: Kept):
    said = json.loads(run(RUN_ID, "--json").stdout)
    assert list(said) == [
        "run_id", "host", "start", "end", "coverage", "summary", "causes", "unknown", "clear",
        "slowdown",
    ]  # fmt: skip
    (cause,) = said["causes"]
    assert list(cause) == [
        "kind", "title", "evidence", "suggestion", "lost", "lost_quality", "start", "end",
    ]  # fmt: skip
    assert cause["evidence"][0] == {
        "metric": "thermal_level", "value": 2, "unit": "level", "bound": 1.0,
        "start": "2026-11-03T10:05:00Z", "end": "2026-11-03T10:10:00Z",
        "said": "The thermal level was 1 or more for 50 % of the time, at most 2 of 4.",
    }  # fmt: skip
    assert said["slowdown"]["lost"] == pytest.approx(0.5, abs=0.01)
    assert said["run_id"] == RUN_ID


def test_a_part_of_a_run_in_which_all_was_slow_is_compared_with_the_run_before(kept: Kept):
    said = run(RUN_ID, "--from", "2026-11-03T10:05:10", "--to", "2026-11-03T12:09:30+02:00")
    assert (
        "(50 % of the speed). Its steps meanwhile ran 50 % slower than in before (5, not 10/s)"
        in (said.stdout)
    )


def test_a_machine_is_explained_without_a_run(kept: Kept):
    said = json.loads(run("--host", HOST, "--from", "3700s ago", "--to", "1h", "--json").stdout)
    assert (said["run_id"], said["start"], said["end"]) == (
        None, "2026-11-03T10:05:00Z", "2026-11-03T10:06:40Z",
    )  # fmt: skip
    assert [cause["kind"] for cause in said["causes"]] == ["thermal"]


def test_a_time_of_which_nothing_is_kept_says_so(kept: Kept):
    said = run("--host", HOST, "--from", "2020-01-01", "--to", "2020-01-01T01:00").stdout
    assert "Nothing can be told: no sample of the machine is kept of that time." in said
    assert "Looked for and not found" not in said


WRONG = [
    ((), 2, "Error: Say what was slow: a run, a machine, or a deployment."),
    (("f" * 32,), 1, "Error: There is no run"),
    (("--host", "nobody"), 1, "Error: No machine named nobody has sent telemetry."),
    (("--host", HOST, "--from", "yesterday"), 2, "Error: 'yesterday' is no time."),
    (("--host", HOST, "--from", "999999d"), 2, "Error: '999999d' is no time."),
    (("--host", HOST, "--from", "1h", "--to", "2h"), 2, "Error: Nothing is left between"),
    (("--host", HOST, "--from", "3d"), 2, "Error: At most 24 hours can be looked at together."),
    ((RUN_ID, "--from", "2026-11-03T11:00"), 2, "Error: Nothing is left between"),
    ((RUN_ID, "--since", "1h"), 2, "Error: --since and --symptom are for --deployment."),
    (("--deployment", "p.m", "--host", HOST), 2, "Error: A deployment is asked about alone."),
    (("--deployment", "p.m", "--since", "2030-01-01"), 2, "Error: --since is not in the past."),
    (("--deployment", "p.m"), 1, "Error: There is no deployment p.m."),
    ((RUN_ID, "--host", "nobody"), 1, "Error: No machine named nobody has sent telemetry."),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG)
def test_bad_input_is_a_sentence(kept: Kept, words: tuple[str, ...], code: int, said: str):
    done = run(*words, code=code)
    assert done.stdout == ""
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.output


def test_what_processes_are_called_does_not_steer_the_terminal(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
):
    hostile = use("", pid=9, name="\x1b]0;owned\x07evil\n", gpu_s=0.9, cpu_s=0.1)
    samples = recording(600, BUSY, (use(OWNER, gpu_s=1.0), hostile))
    monkeypatch.setattr(
        command, "_telemetry", lambda: Kept(HostState(MAC, NOW, ()), samples=samples)
    )
    said = run(RUN_ID).stdout
    assert "evil" in said
    assert "\x1b" not in said
    assert "\x07" not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("1.5 h ago", NOW - timedelta(hours=1.5)),
        ("2d", NOW - timedelta(days=2)),
        ("now", NOW),
        ("2026-11-03", datetime(2026, 11, 3, tzinfo=UTC)),
        ("2026-11-03T10:00:00+02:00", datetime(2026, 11, 3, 8, tzinfo=UTC)),
        (None, None),
    ],
)
def test_times_as_people_write_them(text: str | None, expected: datetime | None):
    assert command.moment_of(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "10", "h", "-1h", "1w", "2026-13-01", "\x00", "9" * 500])
def test_what_is_no_time_is_told(text: str):
    with pytest.raises(InputError, match="is no time"):
        command.moment_of(text, NOW)
