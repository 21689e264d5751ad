"""The commands of serving, without a controller: this process executes, tests play the engines."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from services.actions import records
from services.actions.journal import Journal
from services.cli import mlops
from services.commands import deploy, endpoint_names
from services.engines.mlflow.models import Model, Version
from services.errors import InputError, NotFoundError
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.serving import figures, looking, status, store, workbench
from services.serving.figures import Figures, VersionFigures
from services.serving.models import (
    BundleInfo,
    EndpointStatus,
    ReplicaStatus,
    Rollout,
    Target,
    VersionStatus,
)
from services.serving.status import ServingStatus
from services.settings import Settings
from tests.services.actions.serving_lab import CONTRACT, FITS, TOO_LARGE
from tests.services.predictions.records import record, written

NAME = "lora.net"
Typed = Callable[..., Result]


class Bench:
    """Packages and plans are the test's."""

    looks: ClassVar[Any] = FITS
    foreseen: ClassVar[Any] = None
    """What is known before it is packaged."""
    calls: ClassVar[list[str]] = []

    def package(self, mlflow: Any, folder: Path, project: str, model: str, version: int) -> Any:
        Bench.calls.append(f"package {version}")
        return BundleInfo(project, model, version, "rows", "safetensors", (), ())

    def known(self, project: str, model: str, version: int) -> Any:
        return None

    def bento(self, folder: Path, project: str, model: str, version: int) -> str:
        return f"{project}-{model}:{version}"

    def measure(self, *args: Any, **_: Any) -> None:
        Bench.calls.append("measure")

    def outlook(self, *_: Any, **__: Any) -> Any:
        return Bench.looks if Bench.calls else Bench.foreseen


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_PROJECTS_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    for name in ("package", "known", "bento", "measure", "outlook"):
        monkeypatch.setattr(workbench.Workbench, name, getattr(Bench, name))
    monkeypatch.setattr(Bench, "calls", [])
    monkeypatch.setattr(Bench, "looks", FITS)
    home = Home.locate()
    home.create()
    project = tmp_path / "lora"
    project.mkdir()
    (project / "pyproject.toml").write_text(CONTRACT)
    engine, _ = schema.prepare(Settings().mirror_url)
    written = Store(engine)
    for name in ("lora", "clip"):
        written.write_project(name, "connected", {"title": name, "path": str(project)})
        versions = [Version("net", v, "", 0, "READY", "", "", {}) for v in (1, 2, 3)]
        written.write_registry(name, [Model("net", "", 0, 0, {"champion": 2}, {})], versions)
    written.write_registry(
        "lora",
        [Model("net", "", 0, 0, {"champion": 2}, {}), Model("own", "", 0, 0, {}, {})],
        [Version("net", v, "", 0, "READY", "", "", {}) for v in (1, 2, 3)],
    )
    engine.dispose()
    return home


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    journal = Journal(Settings().journal_url)
    yield journal
    journal.close()


@pytest.fixture
def typed(home: Home) -> Typed:
    status.write(home, ServingStatus(time.time(), 1))

    def run(*words: str, code: int = 0, given: str = "") -> Result:
        done = CliRunner().invoke(mlops, list(words), input=given)
        assert done.exit_code == code, (done.output, done.exception)
        assert "Traceback" not in done.output
        return done

    return run


def live(journal: Journal, version: int) -> None:
    store.put_rollout(journal, "lora", "net", Rollout(Target(version), action_id=-version))
    store.finish_rollout(journal, NAME, version, live=True, said="It was deployed.")


@contextmanager
def engine(home: Home, journal: Journal, *, well: bool, said: str) -> Iterator[None]:
    """Play the serving engine: end each rollout that is to become live."""
    ended = threading.Event()

    def turn() -> None:
        while not ended.wait(0.05):
            status.write(home, ServingStatus(time.time(), 1))
            for one in store.endpoints(journal):
                rollout = one.rollout
                if rollout and (rollout.promote or rollout.strategy == "blue-green"):
                    version = rollout.target.version
                    store.finish_rollout(journal, one.name, version, live=well, said=said)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# Deploying


def test_a_version_is_deployed_and_each_step_is_told(typed: Typed, home: Home, journal: Journal):
    with engine(home, journal, well=True, said="Version 2 answers all requests."):
        done = typed("deploy", "lora/net", "--replicas", "0:2")
    assert "lora.net comes into being" in done.stdout
    assert "Package and sign version 2: safetensors" in done.stdout
    assert "Follow the rollout: Version 2 answers all requests." in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "Deploy net version 2: version 2 answers all requests; 0 to 2 replicas on MLX, 300 MB "
        "reserved each."
    )
    target = store.endpoint(journal, NAME).live
    assert target is not None
    assert (target.version, target.min_replicas, target.max_replicas) == (2, 0, 2)


def test_one_that_goes_back_exits_1_with_the_reason(typed: Typed, home: Home, journal: Journal):
    live(journal, 1)
    with engine(home, journal, well=False, said="12 % were errors."):
        done = typed("deploy", "lora/net@champion", code=1)
    assert "Error: Deploy net version 2: Version 2 did not become live: 12 % were" in done.stderr
    assert "What was live before answers again." in done.stderr


def test_drift_is_guarded_in_percent(typed: Typed, journal: Journal):
    live(journal, 1)
    typed("deploy", "lora/net:2", "--max-drift", "25", "--no-wait")
    assert records.history(journal)[0].params["max_drift"] == 0.25


def test_without_waiting_it_is_asked_for(typed: Typed, journal: Journal):
    done = typed("deploy", "lora/net:3", "--no-wait")
    assert "asked for as action 1." in done.stdout
    assert "No controller runs, so it begins with `mlops up`." in done.stderr
    assert store.endpoints(journal) == ()


def test_canaries_are_steered(typed: Typed, home: Home, journal: Journal):
    live(journal, 1)
    canary = Rollout(Target(2), "canary", 0.1, action_id=70)
    store.put_rollout(journal, "lora", "net", canary)
    assert "it gets 30 %" in typed("rollout", "lora/net", "--share", "30").stdout
    with engine(home, journal, well=True, said="It is live."):
        assert "Follow it: It is live." in typed("rollout", "lora.net", "--promote").stdout
    store.put_rollout(journal, "lora", "net", Rollout(Target(3), action_id=71))
    assert "no longer" in typed("rollout", "lora/net", "--abort", "--reason", "No.").stdout
    with engine(home, journal, well=True, said="It is live."):
        typed("rollback", "lora/net", "--to", "1")
    assert store.endpoint(journal, NAME).live == Target(
        1, memory_bytes=FITS.memory_bytes, memory_said="measured"
    )
    replicas = tuple(ReplicaStatus(f"r{n}", "ready") for n in (1, 2))
    seen = EndpointStatus(
        NAME, "live", generation=1_000, versions=(VersionStatus(1, "live", replicas=replicas),)
    )
    status.write(home, ServingStatus(time.time(), 1, endpoints={NAME: seen}))
    scaled = typed("scale", "lora/net", "--replicas", "2", "--pin").stdout
    assert "See its replicas: 2 replicas are ready" in scaled
    assert scaled.endswith("pinned: done.\n")
    status.write(home, ServingStatus(time.time(), 1))
    assert "End" not in typed("undeploy", "lora/net", code=1, given="n\n").stdout
    assert store.endpoints(journal) != ()
    typed("undeploy", "lora/net", "--yes")
    assert store.endpoints(journal) == ()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("deploy net", 2, "Several projects have a model net"),
        ("deploy nothing", 1, "There is no model 'nothing'"),
        ("deploy lora/net:0", 2, "'0' is no version"),
        ("deploy lora/net:x", 2, "'x' is no version"),
        ("deploy lora/net@", 2, "names no alias"),
        ("deploy lora/net:1@blue", 2, "names no alias"),
        ("deploy lora/", 2, "names no model"),
        ("deploy a/b/c", 2, "names no model"),
        ("deploy lora/net:9", 1, "net has no version 9"),
        ("deploy own", 1, "No version of own is champion"),
        ("deploy lora/net --replicas two", 2, "--replicas is 'two'"),
        ("deploy lora/net --replicas 3:2", 2, "3 to 2 replicas cannot be"),
        ("deploy lora/net --replicas :", 2, "takes N or MIN:MAX"),
        ("deploy lora/net --shadow --canary 5", 2, "goes with neither"),
        ("deploy lora/net --canary 5 --header", 2, "a share or goes by header"),
        ("deploy lora/net --canary nan", 2, "0 to 100"),
        ("deploy lora/net --backend tpu", 2, "Invalid value for '--backend'"),
        ("deploy lora/net --max-drift 101", 2, "share of drifted columns of the guard"),
        ("deploy lora/net --max-drift 9 --no-guards", 2, "--no-guards goes without --max-drift"),
        ("rollback lora/net", 1, "lora.net is not deployed"),
        ("rollback lora/net:2", 2, "names a version"),
        ("rollout lora/net", 2, "Name one of --promote, --abort and --share"),
        ("rollout lora/net --promote --abort", 2, "Name one of"),
        ("rollout lora/net --abort", 1, "lora.net is not deployed"),
        ("scale lora/net --replicas 2", 1, "lora.net is not deployed"),
        ("undeploy lora/net --yes", 1, "lora.net is not deployed"),
        ("deployments lora/net", 1, "lora.net is not deployed"),
        ("deployments --history", 2, "goes with the name"),
        ("deployments --project nobody", 1, "no project"),
        ("keys revoke 0123456789ab", 1, "There is no key"),
        ("keys add lora a --rate 0", 2, "no limit of a key"),
        ("keys add lora a --days -1", 2, "ends in the future"),
        ("predict lora/net --input /nowhere.json", 2, "cannot be read"),
        ("predict lora/net@blue --input x", 2, "no aliases"),
    ],
)
def test_errors_are_sentences(typed: Typed, words: str, code: int, said: str):
    done = typed(*words.split(), code=code)
    assert said in done.stderr


def test_where_serving_is_off_it_says_how_to_switch_it_on(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "0")
    done = typed("deploy", "lora/net", code=1)
    assert "Serving is switched off" in done.stderr
    assert "serving_enabled" in done.stderr


def test_ctrl_c_leaves_it_going(typed: Typed, journal: Journal, monkeypatch: pytest.MonkeyPatch):
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("services.commands.rolling.time.sleep", interrupted)
    done = typed("deploy", "lora/net", code=130)
    assert "goes on without you" in done.stderr
    assert store.endpoint(journal, NAME).rollout is not None


def test_replicas_as_they_are_typed():
    assert deploy.counts(None) == (None, None)
    assert deploy.counts("3") == (3, 3)
    assert deploy.counts("0:4") == (0, 4)


def test_a_model_is_found_by_its_name_alone(home: Home):
    assert endpoint_names.parse("own:3") == endpoint_names.Named("lora", "own", 3)
    assert endpoint_names.parse("lora.net@blue") == endpoint_names.Named(
        "lora", "net", None, "blue"
    )
    with pytest.raises(NotFoundError):
        endpoint_names.parse("clip/net".replace("/", "-"))
    with pytest.raises(InputError):
        endpoint_names.endpoint("lora/net@blue")


# Reading


def test_the_endpoints_are_listed(typed: Typed, home: Home, journal: Journal):
    assert "Nothing is deployed" in typed("deployments").stdout
    assert json.loads(typed("deployments", "--json").stdout) == []
    live(journal, 2)
    replica = ReplicaStatus("r", "ready", memory_bytes=300 << 20)
    version = VersionStatus(2, "live", "", "mlx", "MLX weights.", 1.0, 400 << 20, (replica,))
    seen = EndpointStatus(NAME, "live", "All is well.", versions=(version,))
    status.write(home, ServingStatus(time.time(), 1, endpoints={NAME: seen}))
    asked = VersionFigures(2, requests=120, errors=1, p50_ms=1.25, p99_ms=8.0)
    figures.write(home, Figures(time.time(), 1, endpoints={NAME: {2: asked}}))
    row = typed("deployments").stdout.splitlines()[0].split("\t")
    assert row[:8] == [NAME, "2", "live", "mlx", "1 of 1", "v2 100 %", "120", "1.25"]
    assert row[10:13] == ["1", "300 MB", "–"]
    (said,) = json.loads(typed("deployments", "--json", "--project", "lora").stdout)
    assert (said["name"], said["traffic"], said["requests"]) == (NAME, {"2": 1.0}, 120)
    assert json.loads(typed("deployments", "--json", "--project", "clip").stdout) == []
    shown = typed("deployments", "lora/net").stdout
    assert "lora.net is live: All is well." in shown
    assert "It runs on mlx. MLX weights." in shown
    assert f"Energy per 1,000 predictions is not known: {looking.NO_ENERGY}" in shown
    detail = json.loads(typed("deployments", "lora/net", "--json").stdout)
    assert detail["versions"][0]["replicas"][0]["id"] == "r"
    history = typed("deployments", "lora/net", "--history").stdout
    assert "\tlive\t2\tplatform\tIt was deployed." in history
    told = json.loads(typed("deployments", "lora/net", "--history", "--json").stdout)
    assert (told[0]["kind"], told[0]["version"]) == ("live", 2)


def test_energy_per_1000_is_told_where_it_was_measured(typed: Typed, home: Home, journal: Journal):
    live(journal, 2)
    version = VersionStatus(2, "live", "", "mlx", "MLX weights.", 1.0, 400 << 20)
    seen = EndpointStatus(NAME, "live", "All is well.", versions=(version,))
    status.write(home, ServingStatus(time.time(), 1, endpoints={NAME: seen}))
    now = time.time()
    of = {"project": "lora", "model": "net", "version": 2, "rows": 1}
    written(home, *(record(now, energy_j=joules, **of) for joules in (0.5, 1.5)))
    shown = typed("deployments", "lora/net").stdout
    assert "1,000 predictions took 1000 J over the last day." in shown
    detail = json.loads(typed("deployments", "lora/net", "--json").stdout)
    assert (detail["energy_j_per_1000"], detail["energy_reason"]) == (1000.0, "")


def test_what_is_old_is_told(typed: Typed, home: Home, journal: Journal):
    live(journal, 2)
    status.write(home, ServingStatus(time.time() - 100, 1))
    done = typed("deployments")
    assert "The serving engine has said nothing for" in done.stderr
    assert "The gateway has not started yet." in done.stderr
    assert "has said nothing for" in typed("deployments", "lora/net").stdout


def test_the_plan_of_a_version_is_told_and_packages_nothing(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
):
    assert "MLflow has not told yet what net version 2 is made of" in typed(
        "plan", "lora/net", code=1
    ).stderr  # fmt: skip
    monkeypatch.setattr(Bench, "foreseen", replace(FITS, packaged=False))
    done = typed("plan", "lora/net")
    assert "A replica of lora/net:2 reserves 300 MB." in done.stdout
    assert FITS.said in done.stdout
    assert "was not packaged here yet" in done.stdout
    assert json.loads(typed("plan", "lora.net", "--json").stdout)["packaged"] is False
    assert Bench.calls == []
    done = typed("plan", "lora/net:3", "--trial")
    assert Bench.calls == ["package 3", "measure"]
    assert "was not packaged here yet" not in done.stdout
    monkeypatch.setattr(Bench, "looks", TOO_LARGE)
    said = json.loads(typed("plan", "lora/net", "--json").stdout)
    assert (said["fits"], said["short_bytes"], said["version"]) == (False, TOO_LARGE.short_bytes, 2)
    assert said["would_make_room"] == list(TOO_LARGE.room)


# Keys


def test_a_key_is_made_shown_once_and_revoked(typed: Typed, journal: Journal):
    assert "There is no key" in typed("keys", "list").stdout
    done = typed("keys", "add", "lora", "shop", "--model", "net", "--days", "2")
    key = done.stdout.strip()
    assert key.startswith("mlk_")
    listed = typed("keys", "list").stdout
    assert "\tshop\tlora\tnet\t100/s, 32 at once\tcounts until" in listed
    assert key not in listed
    (said,) = json.loads(typed("keys", "list", "--json", "--project", "lora").stdout)
    assert (said["name"], said["models"]) == ("shop", ["net"])
    assert "hash" not in said
    typed("keys", "revoke", key)
    assert "There is no key" in typed("keys", "list").stdout
    assert "revoked" in typed("keys", "list", "--all").stdout
    everywhere = json.loads(typed("keys", "add", "*", "team", "--json").stdout)
    assert store.key_id_of(everywhere["key"]) == everywhere["id"]
    assert "all projects" in typed("keys", "list").stdout
