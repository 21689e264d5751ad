"""A registered version whose metric is no number is not promoted, however it is asked for."""

import math

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from services.actions import schema
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.promote import Promote
from services.actions.roles import Actor
from services.cli import mlops
from services.engines.mlflow.models import Metric, Model, Version
from services.errors import GateError
from services.home import Home
from services.mirror import schema as mirror_schema
from services.mirror.store import Store
from services.settings import Settings
from tests.services.actions.conftest import FileEngine
from tests.services.mirror.conftest import tracked

VALUES = (math.nan, math.inf, -math.inf)
GATES = {"acc": ">= 0.5"}


def registered(url: str, value: float, gates: dict[str, str]) -> None:
    """Write project p with version 1 of model m, whose run logged ``value``."""
    database, _ = mirror_schema.prepare(url)
    store = Store(database)
    document = {"title": "P", "primary_metric": "acc", "goal": "max", "gates": gates}
    store.write_project("p", "connected", document)
    store.write_runs("p", [tracked(1, metrics={"acc": Metric(value, 1, 0)})])
    version = Version("m", 1, f"{1:032x}", 0, "READY", "", "", {})
    store.write_registry("p", [Model("m", "", 0, 0, {}, {})], [version])
    database.dispose()


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("bound", [">= 0.5", "<= 0.5", "< 1e300", "> -1e300"])
def test_promotion_is_refused_with_metric_value_and_bound(
    context: Context, executor: Executor, engine: FileEngine, ana: Actor, value: float, bound: str
):
    url = context.mirror.engine.url.render_as_string(hide_password=False)
    registered(url, value, {"acc": bound})
    with pytest.raises(GateError) as refused:
        executor.submit(ana, Promote("p", "m", 1), "key")
    sign, number = bound.split()
    told = f"acc is {value}, which passes no gate; this one is {sign} {float(number):g}."
    assert refused.value.message == f"Promote m version 1 to champion: {told}"
    assert "by giving a reason" in refused.value.hint
    assert engine.calls == []
    with context.journal.read() as connection:
        assert connection.execute(select(schema.actions)).all() == []


@pytest.mark.parametrize("value", VALUES)
def test_the_command_says_it_and_promotes_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, value: float
):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path_factory.mktemp("home")))
    Home.locate().create()
    registered(Settings().mirror_url, value, GATES)
    done = CliRunner().invoke(mlops, ["models", "promote", "m", "1", "--yes"])
    assert done.exit_code == 1
    assert done.stdout == ""
    first, hint = done.stderr.splitlines()
    assert f"acc is {value}, which passes no gate; this one is >= 0.5." in first
    assert "giving a reason" in hint
