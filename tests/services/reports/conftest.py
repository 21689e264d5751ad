"""An installation with a little of everything, and reports over it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.data.remote import Remote
from services.data.service import DataService
from services.engines.mlflow.models import Metric
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.reports.collecting import collect
from services.reports.models import Asked, Report, Section
from services.reports.period import window_of
from services.settings import Settings
from services.telemetry.store import Store as Telemetry
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, FEDERATED, LORA

HOSTILE = "<script>alert(1)</script>"
Ask = Callable[..., Report]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    seed.mirror(Settings().mirror_url)
    seed.journal(Settings().journal_url)
    seed.files(made)
    engine = schema.open_engine(Settings().mirror_url)
    used = {"system/energy_j": Metric(40.0, 1, 0)}
    lasted = replace(seed.tracked("f" * 32, 30), metrics=used)
    failed = replace(seed.tracked("e" * 32, 30), status="failed", name=HOSTILE)
    less = {"system/energy_j": Metric(10.0, 1, 0)}
    earlier = replace(seed.tracked("a" * 32, 8 * 1440), metrics=less)
    Store(engine).write_runs(LORA, (lasted, failed, earlier))
    engine.dispose()
    return made


@pytest.fixture
def ask(home: Home) -> Ask:
    def asked(project: str | None = None, period: str = "7d") -> Report:
        settings = Settings()
        journal, mirror = Journal.open(settings), Mirror.open(settings)
        later = datetime.now(UTC) + timedelta(minutes=1)
        what = Asked(
            home, mirror, journal, DataService(Remote(home)), Telemetry(home.telemetry),
            window_of(period, later), (CLIP, FEDERATED, LORA),
        )  # fmt: skip
        return collect(what, project)

    return asked


def section(report: Report, key: str) -> Section:
    return next(one for one in report.sections if one.key == key)


def figures(report: Report, key: str) -> dict[str, tuple[float | None, float | None]]:
    return {one.label: (one.value, one.before) for one in section(report, key).figures}


def table(report: Report, key: str, title: str) -> list[tuple[str, ...]]:
    return list(next(one for one in section(report, key).tables if one.title == title).rows)
