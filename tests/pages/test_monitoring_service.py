"""The matrix as the app draws it: objectives, alerts and retrainings beside real checks."""

import threading
import time
from typing import Any

import pytest

from dashboard import promised
from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting.models import Event, Policy, Severity
from services.home import Home
from services.objectives import asking
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions.folder import Folder
from services.retraining import store as retrainings
from tests.monitoring_seed import CLIP, LORA, PIXELS
from tests.pages.conftest import Open, said
from tests.pages.monitoring_shown import Laid, drawn, laid, opened, row
from tests.pages.roles import EVERY_ROLE
from tests.services.predictions.records import record, written
from tests.services.retraining.things import proposal

__all__ = ["laid"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for what is counted: machines are busy."""
    monkeypatch.setattr(promised, "PATIENCE_S", 20.0)


def failing(home: Home, count: int = 400, bad: int = 40) -> None:
    """Have CLIP fail more than it promises, hours ago."""
    project, _, model = CLIP.partition(".")
    at = time.time() - 5 * 3600.0
    given = {"project": project, "model": model, "version": 1, "inputs": None, "outputs": None}
    written(home, *(record(at, status=500 if n < bad else 200, **given) for n in range(count)))


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_what_missed_its_objective_hours_ago_says_so_and_is_found(
    laid: Laid, open_page: Open, home: Home, role: str
):
    laid()
    failing(home)
    app = opened(open_page, role=role)
    assert not app.exception
    found = row(app, CLIP)
    assert "✕ missed" in found
    assert "errors, 10 × spent" in found
    assert "400 requests of the deployment" in found
    assert "✓ met" in row(app, LORA)
    assert "1 missed an objective" in said(app)
    app = opened(open_page, role=role, state="missed")
    assert "1 of 7 versions in service" in said(app)
    assert f"deployment={CLIP}" in drawn(app)


def test_an_objective_that_was_set_counts_at_once(laid: Laid, open_page: Open):
    journal = laid()
    assert "✓ met" in row(opened(open_page), LORA)
    project, _, model = LORA.partition(".")
    objectives.put(journal, project, model, Objective("latency", 0.9, 7, 0.1))
    assert "✕ missed" in row(opened(open_page), LORA)


def test_the_second_version_of_a_deployment_promises_nothing_of_its_own(
    laid: Laid, open_page: Open
):
    laid()
    app = opened(open_page)
    assert "requests of the deployment" not in row(app, PIXELS, "canary")
    assert "✓ answers" in row(app, PIXELS, "canary")


def alerts(journal: Journal) -> None:
    now = time.time()
    of: dict[str, Severity] = {LORA: "critical", CLIP: "info"}
    told = [
        Event(f"drift/{name}/data", now, "firing", severity, name.partition(".")[0],
              title="It moved", labels={"endpoint": name})
        for name, severity in of.items()
    ]  # fmt: skip
    deciding.decide(journal, told, now, Policy(group_wait_s=0.0))


def test_alerts_and_retrainings_stand_below_the_name(laid: Laid, open_page: Open):
    journal = laid()
    alerts(journal)
    project, _, model = LORA.partition(".")
    retrainings.put(journal, proposal(project=project, model=model, version=1))
    app = opened(open_page)
    assert "✕ 1 alert" in row(app, LORA)
    assert "◇ 1 alert" in row(app, CLIP)
    assert "◷ retraining waits for a decision" in row(app, LORA)
    assert "retraining" not in row(app, CLIP)


def test_a_person_sees_the_alerts_of_their_projects(laid: Laid, open_page: Open):
    alerts(laid())
    app = opened(open_page, projects=("clip-finetuning",))
    assert drawn(app).count(" 1 alert<") == 1
    assert "◇ 1 alert" in row(app, CLIP)


def test_until_the_logs_were_counted_the_page_stands_without(
    laid: Laid, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    laid()
    going = threading.Event()
    ask = asking.told

    def slow(*of: Any, **given: Any) -> Any:
        assert going.wait(20)
        return ask(*of, **given)

    monkeypatch.setattr(asking, "told", slow)
    monkeypatch.setattr(promised, "PATIENCE_S", 0.01)
    app = opened(open_page)
    assert not app.exception
    assert "✓ met" not in row(app, LORA)
    assert "✓ answers" in row(app, LORA)
    going.set()
    monkeypatch.setattr(promised, "PATIENCE_S", 20.0)
    assert "✓ met" in row(app.run(), LORA)


def test_a_log_that_cannot_be_read_leaves_the_service_unknown_and_verdicts_stand(
    laid: Laid, open_page: Open, home: Home
):
    laid()
    project, _, model = CLIP.partition(".")
    path = Folder(home).of_rows(project, model, time.strftime("%Y-%m-%d", time.gmtime()))
    path.mkdir(parents=True)
    (path / "x.parquet").write_bytes(b"no parquet")
    app = opened(open_page)
    assert not app.exception
    assert "? not known" in row(app, CLIP)
    assert "✓ steady" in row(app, CLIP)
    assert "✓ met" in row(app, LORA)
