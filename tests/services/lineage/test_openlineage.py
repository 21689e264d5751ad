"""OpenLineage events: what the spec 2-0-2 asks of them, and that none is lost or doubled."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.errors import EngineRefusedError, InputError, PlatformError
from services.home import Home
from services.lineage import openlineage
from services.lineage.sending import send_new
from services.lineage.told import runs
from services.lineage.told.runs import Ended
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests import lineage_seed as seed
from tests.lineage_seed import DATA, LORA, MODELS, NEXT, RUN, TRAIN
from tests.openlineage_rules import check


@pytest.fixture
def ended(mirror: Mirror) -> tuple[Ended]:
    return (Ended(mirror),)


def named(datasets: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["name"], one["facets"]["version"]["datasetVersion"]) for one in datasets}


def test_every_event_is_as_the_spec_says(mirror: Mirror):
    found = list(runs.events(mirror, [RUN, NEXT, seed.CLIENT, seed.SERVER, "0" * 32]))
    assert len(found) == 8
    for event in found:
        check(event)


def test_a_run_is_told_with_its_data_its_versions_and_its_workflow(mirror: Mirror):
    start, end = runs.events(mirror, [RUN])
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["job"]["name"] == f"{TRAIN}.train"
    assert start["run"]["facets"]["parent"]["job"]["name"] == TRAIN
    assert start["run"]["runId"] == end["run"]["runId"] == str(uuid.UUID(hex=RUN))
    assert named(end["inputs"]) == {(f"{LORA}/data", DATA)}
    assert named(end["outputs"]) == {(f"{LORA}/{LORA}", "1"), (f"{LORA}/models", MODELS)}


@pytest.mark.parametrize(
    ("status", "kinds"),
    [("failed", ["START", "FAIL"]), ("killed", ["START", "ABORT"]), ("running", ["START"])],
)
def test_how_a_run_ended_is_told(mirror: Mirror, status: str, kinds: list[str]):
    from dataclasses import replace

    ended = None if status == "running" else int(seed.NOW * 1000)
    run = replace(seed.tracked("e" * 32, 5), status=status, ended_ms=ended)
    Store(mirror.engine).write_runs(LORA, (run,))
    assert [one["eventType"] for one in runs.events(mirror, ["e" * 32])] == kinds


def test_an_id_that_is_no_uuid_gets_one_and_keeps_it():
    assert openlineage.run_uuid("run-1") == openlineage.run_uuid("run-1")
    uuid.UUID(openlineage.run_uuid("run-1"))


def test_each_run_is_sent_once_and_a_changed_one_again(
    home: Home, mirror: Mirror, ended: tuple[Ended], tmp_path: Path
):
    file = tmp_path / "out" / "events.jsonl"
    assert send_new(home, ended, str(file)) == 12
    assert send_new(home, ended, str(file)) == 0
    Store(mirror.engine).write_runs(LORA, (seed.tracked("e" * 32, 5, data_revision=DATA),))
    assert send_new(home, ended, str(file)) == 2
    assert len(file.read_text().splitlines()) == 14
    assert send_new(home, ended, str(tmp_path / "other.jsonl")) == 14


def test_many_runs_of_one_change_are_all_sent(
    home: Home, mirror: Mirror, ended: tuple[Ended], tmp_path: Path
):
    many = tuple(seed.tracked(f"{n:032x}", 5) for n in range(1000, 1450))
    Store(mirror.engine).write_runs(LORA, many)
    file = tmp_path / "events.jsonl"
    send_new(home, ended, str(file))
    sent = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({one["run"]["runId"] for one in sent}) == 456


def test_an_address_gets_each_event_and_what_it_refused_comes_again(
    home: Home, mirror: Mirror, ended: tuple[Ended]
):
    many = tuple(seed.tracked(f"{n:032x}", 5) for n in range(1000, 1150))
    Store(mirror.engine).write_runs(LORA, many)
    to = "http://m.example/api/v1/lineage"
    got: list[str] = []
    refusing = [True]

    def post(events: Sequence[openlineage.Event], address: str) -> None:
        assert address == to
        if refusing[0] and got:
            raise EngineRefusedError("It is busy.")
        got.extend(event["run"]["runId"] + event["eventType"] for event in events)

    with pytest.raises(EngineRefusedError):
        send_new(home, ended, to, post)
    assert len(got) == 200
    refusing[0] = False
    assert send_new(home, ended, to, post) == 112
    assert len(got) == len(set(got)) == 312


def test_each_place_has_its_own_note_and_no_address_stands_in_it(
    home: Home, ended: tuple[Ended], tmp_path: Path
):
    to, file = "http://m.example/?key=secret", str(tmp_path / "events.jsonl")
    got: list[object] = []
    for _ in range(2):
        send_new(home, ended, to, lambda events, _to: got.extend(events))
        send_new(home, ended, file)
    assert len(got) == len(Path(file).read_text().splitlines()) == 12
    assert "secret" not in (home.root / "lineage" / "sent.json").read_text()


def test_two_that_send_at_once_are_one(home: Home, ended: tuple[Ended], tmp_path: Path):
    def post(_events: Sequence[openlineage.Event], _to: str) -> None:
        with pytest.raises(PlatformError, match="Another process sends"):
            send_new(home, ended, str(tmp_path / "events.jsonl"))

    assert send_new(home, ended, "http://m.example/", post) == 12
    assert send_new(home, ended, str(tmp_path / "events.jsonl")) == 12


def test_nowhere_to_send_to_and_a_damaged_note_are_sentences(
    home: Home, ended: tuple[Ended], tmp_path: Path
):
    with pytest.raises(InputError):
        send_new(home, ended, "")
    with pytest.raises(PlatformError):
        send_new(home, ended, "/dev/null/x")
    note = home.root / "lineage" / "sent.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text("{")
    with pytest.raises(PlatformError):
        send_new(home, ended, str(tmp_path / "events.jsonl"))
