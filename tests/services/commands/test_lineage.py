"""``mlops lineage``: over a real mirror, journal and data repositories."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.lineage.asking import Lineage
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, RUN, TRAIN

V1 = f"version:{LORA}/{LORA}:1"
Type = Callable[..., Result]


@pytest.fixture
def lineage(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Type:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    home = Home.locate()
    home.create()
    seed.mirror(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    seed.journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    seed.files(home)

    def typed(*words: str) -> Result:
        return CliRunner().invoke(mlops, ["lineage", *words])

    return typed


def test_the_thread_of_a_thing_by_any_of_its_names(lineage: Type):
    for name in (V1, f"{LORA}/{LORA}", RUN[:8], DATA, f"{TRAIN}/one"):
        done = lineage(name)
        assert done.exit_code == 0, done.output
        for id_ in (V1, f"run:{RUN}", f"data:{DATA}", f"workflow:{TRAIN}/one"):
            assert id_ in done.stdout


def test_json_has_the_documented_keys(lineage: Type):
    found = json.loads(lineage(V1, "--json").stdout)
    assert set(found) == {"start", "nodes", "links", "broken", "more", "hidden", "unknown"}
    assert found["start"] == V1
    node = next(one for one in found["nodes"] if one["id"] == V1)
    assert node["at"].endswith("Z")
    link = {"before": f"run:{RUN}", "after": V1, "how": "was registered as", "carries": "all"}
    assert link in found["links"]
    up = {one["id"] for one in json.loads(lineage("--json", "--up", V1).stdout)["nodes"]}
    assert up == {V1, f"run:{RUN}", f"data:{DATA}", f"workflow:{TRAIN}/one"}
    down = {one["id"] for one in json.loads(lineage(V1, "--down", "--json").stdout)["nodes"]}
    assert f"data:{DATA}" not in down


def test_what_came_of_data_and_is_live(lineage: Type):
    done = lineage("affected", DATA)
    assert f"{CLIP}.{CLIP} 1" in done.stdout
    found = json.loads(lineage("affected", DATA, "--json").stdout)
    assert found["live"] == [f"version:{CLIP}/{CLIP}:1", V1]


def test_marking_and_taking_back(lineage: Type):
    assert "Nothing is marked as bad." in lineage("bad").stdout
    done = lineage("mark", DATA, "--reason", "wrong labels", "--yes")
    assert done.exit_code == 0, done.output
    assert "done" in done.stdout
    assert f"{LORA}.{LORA} 1" in done.stdout
    assert "wrong labels" in lineage("bad").stdout
    (one,) = json.loads(lineage("bad", "--json").stdout)
    assert (one["id"], len(one["affected"]["live"])) == (f"data:{DATA}", 2)
    assert "from bad" in lineage(V1).stdout
    assert lineage("unmark", DATA, "--reason", "they were right").exit_code == 0
    again = lineage("unmark", DATA, "--reason", "they were right")
    assert (again.exit_code, "is not marked" in again.stderr) == (1, True)


def test_a_mark_is_taken_back_without_a_look_at_all_that_came_of_others(
    lineage: Type, monkeypatch: pytest.MonkeyPatch
):
    lineage("mark", DATA, "--reason", "wrong labels", "--yes")
    monkeypatch.setattr(Lineage, "radius", lambda *_: 1 / 0)
    done = lineage("unmark", DATA, "--reason", "they were right")
    assert (done.exit_code, "done" in done.stdout) == (0, True)


def test_without_yes_it_asks(lineage: Type):
    done = lineage("mark", DATA, "--reason", "wrong labels")
    assert done.exit_code == 1
    assert "answer requests now" in done.stdout
    assert "Nothing is marked" in lineage("bad").stdout


def test_broken_links_are_listed(lineage: Type):
    done = lineage("broken")
    assert f"bundle:{CLIP}/{CLIP}:1" in done.stdout
    found = json.loads(lineage("broken", "--json").stdout)
    assert {"id", "missing", "project", "said", "hint"} == set(found[0])


@pytest.mark.parametrize(
    ("words", "code"),
    [(("nothing",), 1), (("run:0",), 1), (("version:x",), 2), (("verdict:x",), 1)],
)
def test_what_is_not_there_is_a_sentence(lineage: Type, words: tuple[str, ...], code: int):
    done = lineage(*words)
    assert done.exit_code == code
    assert done.stderr.startswith("Error: ")


def test_a_name_of_several_things_lists_them(lineage: Type):
    engine = schema.open_engine(Settings().mirror_url)
    Store(engine).write_runs(LORA, (seed.tracked(f"{seed.MODELS}{'0' * 16}", 5),))
    engine.dispose()
    done = lineage(seed.MODELS[:6])
    assert done.exit_code == 2
    assert f"models:{seed.MODELS}" in done.stderr
    assert f"run:{seed.MODELS}" in done.stderr


def test_events_of_a_thread_and_those_that_are_new(lineage: Type, tmp_path):
    lines = [json.loads(line) for line in lineage(V1, "--openlineage").stdout.splitlines()]
    assert {one.get("eventType") for one in lines} == {"START", "COMPLETE", None}
    jobs = {one["job"]["name"] for one in lines}
    assert jobs >= {TRAIN, f"{TRAIN}.train", f"{LORA}.{LORA}.pack", f"{LORA}.{LORA}.serve"}
    file = tmp_path / "events.jsonl"
    assert "30 events were sent" in lineage("send", "--to", str(file)).stdout
    assert "Nothing is new" in lineage("send", "--to", str(file)).stdout
    assert len(file.read_text().splitlines()) == 30
    nowhere = lineage("send")
    assert (nowhere.exit_code, "MLOPS_OPENLINEAGE_TO" in nowhere.stderr) == (2, True)
