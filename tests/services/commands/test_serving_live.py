"""The whole way by the command line: a real version, package, model servers, gateway and answers.

MLflow alone is a small one; the engines are the platform's own processes. No controller runs, so
the command itself executes what it asks for, as it does on a machine where one ended.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from tests import serving_whole
from tests.live import eventually
from tests.serving_whole import MODEL, PROJECT

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

SPEC = f"{PROJECT}/{MODEL}"
Typed = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    def run(*words: str, code: int = 0, given: str = "") -> Result:
        done = CliRunner().invoke(mlops, list(words), input=given)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    with serving_whole.running(tmp_path, monkeypatch):
        yield run


def test_deployed_asked_updated_rolled_back_and_out(typed: Typed, tmp_path: Path):
    planned = json.loads(typed("plan", SPEC, "--trial", "--json").stdout)
    assert planned["fits"]
    assert "measured" in planned["memory_said"]
    done = typed("deploy", SPEC, "--watch", "1")
    assert "Package and sign version 1: safetensors" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"Deploy {MODEL} version 1: it is live: loaded in ")
    assert last.endswith(" MB reserved.")
    question = json.dumps({"columns": {"pixels": [[0.5] * 64] * 3}})

    def answer(*more: str) -> dict[str, object]:
        said = typed("predict", SPEC, "--input", "-", *more, given=question).stdout
        return dict(json.loads(said))

    first = answer()
    assert first["version"] == 1
    assert len(first["columns"]["label"]) == 3
    typed("deploy", f"{SPEC}:2", "--watch", "1")
    assert answer()["version"] == 2
    (shown,) = json.loads(typed("deployments", "--json").stdout)
    assert (shown["version"], shown["state"], shown["replicas"]) == (2, "live", 1)
    assert shown["traffic"] == {"2": 1.0}
    assert shown["memory_bytes"] > 0
    assert shown["stale"] == ""
    bad = typed("deploy", f"{SPEC}:3", "--watch", "1", code=1)
    assert "Error: Deploy" in bad.stderr
    assert answer()["version"] == 2
    typed("rollback", SPEC)
    assert answer()["version"] == 1
    eventually(lambda: json.loads(typed("deployments", "--json").stdout)[0]["requests"] >= 1)
    typed("deploy", f"{SPEC}:2", "--header")
    assert answer("--version", "2")["version"] == 2
    assert answer()["version"] == 1
    typed("rollout", SPEC, "--promote")
    assert answer()["version"] == 2
    typed("undeploy", SPEC, "--yes")
    eventually(lambda: json.loads(typed("deployments", "--json").stdout) == [])
    assert "answered 404" in typed("predict", SPEC, "--input", "-", given=question, code=1).stderr
    kinds = [
        e["kind"] for e in json.loads(typed("deployments", SPEC, "--history", "--json").stdout)
    ]
    assert kinds[0] == "undeployed"
    assert kinds.count("live") == 4
