"""``mlops queue --machine``, without a controller."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.resources.models import GIB
from services.resources.offers import Offer, Offers
from services.settings import Settings
from tests.services.actions.test_machine_offer import CLIP, LORA, MINI, STUDIO

Typed = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_PROJECTS_ROOT", str(tmp_path / "root"))
    Home.locate().create()
    engine, _ = schema.prepare(Settings().mirror_url)
    picture = {
        "rows": [], "hosts": [STUDIO, MINI], "shares": [], "pools": [], "asks": [LORA, CLIP],
    }  # fmt: skip
    WorkflowStore(engine).write_picture(QUEUE, 1, picture)
    engine.dispose()

    def run(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(mlops, ["queue", *words])
        assert done.exit_code == code, (done.output, done.exception)
        return done

    return run


def offer() -> tuple[int | None, int | None, float | None]:
    found = Offers.here().of("studio")
    assert found is not None
    return found.gpu_slots, found.memory_bytes, found.power_w


def test_a_machine_is_given_more_slots_and_what_follows_is_said(typed: Typed):
    done = typed("--machine", "studio", "--slots", "2")
    assert "It takes 2 heavy jobs at a time; now 1.\n" in done.stdout
    assert "1 waiting job that no machine fits now would fit." in done.stdout
    assert done.stdout.endswith("Have studio offer 2 heavy slots to jobs: done.\n")
    assert offer() == (2, None, None)


def test_what_is_not_named_stays_as_it_was_said(typed: Typed):
    typed("--machine", "studio", "--slots", "2", "--power-w", "60")
    typed("--machine", "studio", "--memory-gb", "20.5")
    assert offer() == (2, int(20.5 * GIB), 60.0)
    typed("--machine", "studio", "--slots", "measured", "--power-w", "none")
    assert offer() == (None, int(20.5 * GIB), None)
    assert "offer what was measured: done" in typed("--machine", "studio", "--as-measured").stdout
    assert Offers.here().read() == ()


def test_what_a_machine_offers_is_shown(typed: Typed):
    said = typed("--machine", "studio").stdout
    assert said == (
        "As measured studio offers one heavy job at a time and 30.6 GB of memory (36.0 GB less "
        "5.4 GB for the system and the platform).\n"
    )
    Offers.here().put(Offer("studio", 2, 20 * GIB, None, "ann", 1_000_000.0))
    said = typed("--machine", "studio").stdout
    assert said.startswith(
        "An administrator gave 2 heavy slots and 20.0 GB of memory. (ann, 1970-01-12 13:46:40Z)\n"
    )
    assert "It takes no job now: it has been silent" in typed("--machine", "mini").stdout
    told: dict[str, Any] = json.loads(typed("--machine", "studio", "--json").stdout)
    assert (told["slots"], told["memory_bytes"], told["given_by"]) == (2, 20 * GIB, "ann")
    assert (told["measured_slots"], told["total_bytes"]) == (1, 36 * GIB)
    assert json.loads(typed("--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--slots 2", 2, "not said which machine"),
        ("--as-measured", 2, "not said which machine"),
        ("--machine studio --slots two", 2, "--slots is 'two'; it takes a whole number"),
        ("--machine studio --slots 1.5", 2, "--slots is '1.5'; it takes a whole number"),
        ("--machine studio --slots -1", 2, "-1 is no number of heavy slots"),
        ("--machine studio --memory-gb much", 2, "--memory-gb is 'much'; it takes a number"),
        ("--machine studio --memory-gb nan", 2, "nan GB is no amount"),
        ("--machine studio --memory-gb 40", 2, "9.0 GB more than studio can give"),
        ("--machine studio --power-w 0", 2, "0 W is no limit of power"),
        ("--machine studio --slots 2 --as-measured", 2, "--as-measured takes all figures away"),
        ("--machine studio --project lora", 2, "goes with none of"),
        ("--machine studio --move lora.train/one/train front", 2, "goes with none of"),
        ("--machine stud", 1, "It knows: studio, mini."),
        ("--machine stud --slots 2", 1, "The queue knows no machine 'stud'"),
    ],
)
def test_errors_are_sentences(typed: Typed, words: str, code: int, said: str):
    done = typed(*words.split(), code=code)
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert Offers.here().read() == ()
