"""``mlops drift settings``: shown, changed a part at a time, and taken back."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings

Type = Callable[..., Result]


@pytest.fixture
def typed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Type:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    Home.locate().create()
    mirror = Store(schema.prepare(Settings().mirror_url)[0])
    mirror.write_project("p", "connected", {"title": "P"})
    return lambda *words: CliRunner().invoke(mlops, ["drift", "settings", *words])


def test_each_part_is_changed_alone(typed: Type):
    assert "nobody said otherwise" in typed("p").output
    done = typed("p", "--ignore", "seed", "--threshold", "0.3", "--yes")
    assert done.exit_code == 0, done.output
    assert "all inputs but input.seed are compared" in done.output
    shown = json.loads(typed("p", "--ignore", "input.order", "--json").stdout)
    assert shown["ignored"] == ["input.order", "input.seed"]
    assert (shown["threshold"], shown["source"]) == (0.3, "own")
    shown = json.loads(typed("p", "--compare", "seed", "--json").stdout)
    assert shown["ignored"] == ["input.order"]
    assert json.loads(typed("p", "--reset", "--json").stdout)["source"] == "default"


def test_what_cannot_be_is_a_sentence(typed: Type):
    refused = typed("p", "--threshold", "0", "--yes")
    assert refused.exit_code == 2
    assert "The threshold is 0; it is 0.01 to 10." in refused.output
    assert typed("none").exit_code != 0
