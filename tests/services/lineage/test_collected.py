"""Predictions that were collected into data: walked both ways, reached by a mark, told, missed."""

import shutil
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from sqlalchemy import insert

from services.actions import schema as journal_schema
from services.actions.journal import Journal
from services.data import collected
from services.data.models import Collected
from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home
from services.lineage import flagged, marked
from services.lineage.models import Mark, Ref, numbered
from services.lineage.told import everything
from services.lineage.told.collected import Collectings
from services.lineage.walking import Limits
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, NEXT, RETRAIN
from tests.openlineage_rules import check
from tests.services.lineage.conftest import Asker
from tests.services.lineage.test_openlineage import named
from tests.services.lineage.test_told import Told

NEW = "e" * 16
"""Data that hold what version 1 was asked, of which version 2 was trained."""
V1, V2, V3 = (numbered("version", LORA, LORA, number) for number in (1, 2, 3))
ASKED = numbered("predictions", LORA, LORA, 1)
INTO = Ref("data", NEW)


def rows(version: int = 1, count: int = 40, labelled: int = 40, model: str = LORA) -> Collected:
    return Collected(LORA, model, version, count, labelled, seed.NOW - 90, seed.NOW - 60)


def tracked(home: Home, revision: str, *found: Collected, project: str = LORA) -> None:
    said = {"Mlops-Kind": "data", "Mlops-Revision": revision, "Mlops-Files": "4",
            "Mlops-Bytes": "50", "Mlops-Collected": collected.written(found)}  # fmt: skip
    DataService(Remote(home)).project(project).repository.commit("Track data", said, [])


def trained(mirror: Mirror, revision: str = NEW, run: str = NEXT, flow: str = "two") -> None:
    one = seed.tracked(run, 20, data_revision=revision, task=f"{RETRAIN}/{flow}/train/1")
    Store(mirror.engine).write_runs(LORA, [one])


def acted(journal: Journal, number: int, revision: str, *found: Collected, **more: Any) -> None:
    """Let an action have collected them."""
    table, ended = journal_schema.actions, round((seed.NOW - 60) * 1000) + number
    memory = {"revision": revision, "collected": [asdict(one) for one in found]}
    row = {
        "id": number, "key": f"k{number}", "kind": "data-collect", "project": LORA, "title": "",
        "params": "{}", "memory": orjson.dumps(memory).decode(), "actor": "ana",
        "actor_kind": "user", "actor_role": "operator", "state": "done", "error": "", "hint": "",
        "result": "", "submitted_ms": ended - 900, "finished_ms": ended, "attempts": 1,
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(insert(table).values(**{**row, **more}))


@pytest.fixture
def learned(home: Home, mirror: Mirror) -> None:
    tracked(home, NEW, rows())
    trained(mirror)


def bad(journal: Journal, ref: Ref) -> None:
    marked.put(journal, Mark(ref, LORA, "it invents", "mira", 5.0, 7))


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize(
    ("start", "way"), [(ASKED, "down"), (INTO, "up"), (V2, "up"), (V1, "down")]
)
def test_what_was_asked_leads_to_what_was_learned_from_it_and_back(
    ask: Asker, start: Ref, way: str
):
    thread = ask().thread(start, (way,))  # type: ignore[arg-type]
    links = {(one.before, one.after): (one.how, one.carries) for one in thread.links}
    assert links[ASKED, INTO] == ("were collected into", "some")
    assert {V1, V2, ASKED, INTO} - {one.ref for one in thread.nodes} <= (
        {V1} if start == ASKED else {V2} if start == INTO else set()
    )
    node = next(one for one in thread.nodes if one.ref == INTO)
    assert (node.state, node.said) == ("there", "4 files, 40 collected rows")
    assert thread.broken == ()


def test_how_many_have_no_label_is_in_the_verb(ask: Asker, home: Home):
    tracked(home, NEW, rows(labelled=1, count=1_500))
    (link,) = [one for one in ask().thread(ASKED, ("down",)).links if one.after == INTO]
    assert link.how == "were collected, 1,499 of 1,500 rows without a label, into"
    assert link.holds


@pytest.mark.parametrize(("labels", "holds"), [(40, False), (39, True)])
def test_a_mark_reaches_what_was_learned_and_says_how(
    ask: Asker, home: Home, mirror: Mirror, journal: Journal, labels: int, holds: bool
):
    """Answers with labels are shown alone; without one they may have been learned."""
    tracked(home, NEW, rows(labelled=labels))
    trained(mirror)
    bad(journal, V1)
    nodes = {one.ref: one for one in ask().thread(V1, ("down",)).nodes}
    assert (nodes[INTO].under, nodes[INTO].perhaps) == ((), (V1.id,))
    assert nodes[V2].perhaps == (V1.id,)

    second = next(one for one in ask().radius(V1).versions if one.ref == V2)
    without = "all with a label" if labels == 40 else "1 of them without a label"
    assert (second.way.how, second.why) == (
        "maybe", f"its data {NEW[:12]} hold 40 rows that {LORA}/{LORA}:1 was asked, {without}"
    )  # fmt: skip
    assert flagged.holds(second) is holds
    told = next(one for one in ask().radius(V1).as_json()["versions"] if one["version"] == 2)
    assert (told["through"], told["rows_held"], told["rows_labelled"]) == (INTO.id, 40, labels)

    (flag,) = flagged.of(ask(), V2).flags
    assert (flag.sure, flag.holds) == (False, holds)
    (of_data,) = flagged.of(ask(), INTO).flags
    assert (of_data.sure, of_data.holds) == (False, holds)
    assert of_data.said(LORA).startswith(
        f"The data {NEW} may have come from {V1.id} ({ASKED.id} were collected"
    )
    assert flagged.of(ask(), Ref("data", DATA)).flags == ()


def test_it_goes_on_over_what_those_versions_answered(ask: Asker, home: Home, mirror: Mirror):
    third = "f" * 16
    tracked(home, NEW, rows(labelled=0))
    tracked(home, third, rows(2, labelled=0))
    trained(mirror)
    trained(mirror, third, seed.GONE, "three")
    found = {one.ref: one for one in ask().radius(V1).versions}
    assert found[V3].how == "maybe"
    assert f"that {LORA}/{LORA}:2 was asked" in found[V3].why
    assert flagged.holds(found[V3])


@pytest.mark.usefixtures("learned")
def test_what_was_made_from_it_surely_came_from_it_though_it_learned_its_answers_too(
    ask: Asker, mirror: Mirror, journal: Journal
):
    based = seed.tracked(NEXT, 20, data_revision=NEW, base_version=f"{LORA}/{LORA}:1")
    Store(mirror.engine).write_runs(LORA, [based])
    bad(journal, V1)
    (flag,) = flagged.of(ask(), V2).flags
    assert (flag.sure, flag.why) == (True, f"made from {LORA}/{LORA}:1")


def test_many_revisions_are_bounded_and_those_of_what_is_live_come_first(
    ask: Asker, home: Home, mirror: Mirror
):
    names = [f"{n:016x}" for n in range(20)]
    for name in names:
        tracked(home, name, rows())
    trained(mirror, names[0], seed.RUN)  # of the version that is live
    thread = ask().thread(ASKED, ("down",), Limits(depth=1, fan=3))
    assert len(thread.links) == 3 + 1  # and the verdict
    assert Ref("data", names[0]) in {one.after for one in thread.links}
    assert "17 more revisions of data hold rows of it." in {one.said for one in thread.more}


def test_a_person_of_another_project_sees_neither(ask: Asker, home: Home):
    tracked(home, NEW, rows(), project=CLIP)
    thread = ask((CLIP,)).thread(INTO, ("up",))
    assert (thread.links, thread.hidden) == ((), 1)
    assert LORA not in str(thread.as_json())


@pytest.mark.usefixtures("learned")
def test_when_the_log_forgot_them_the_thread_goes_on(ask: Asker, home: Home):
    shutil.rmtree(home.serving / "predictions")
    thread = ask().thread(INTO, ("up",))
    node = next(one for one in thread.nodes if one.ref == ASKED)
    assert (node.state, node.said) == ("there", "40 rows are kept, in data")
    assert V1 in {one.ref for one in thread.nodes}
    assert INTO in {one.ref for one in ask().thread(V1, ("down",)).nodes}


def test_data_that_are_gone_are_named_with_what_was_collected_into_them(
    ask: Asker, home: Home, journal: Journal
):
    acted(journal, 9, NEW, rows())
    acted(journal, 10, "9" * 16, rows(), state="failed")
    (one,) = [each for each in ask().broken() if each.missing == INTO.id]
    assert one.said == (
        f"40 rows that {LORA}.{LORA} 1 was asked were collected into the data {NEW} of {LORA} "
        "(action 9), which are in no project's data repository."
    )
    assert (one.ref, one.project) == (ASKED, LORA)
    thread = ask().thread(ASKED, ("down",))
    assert INTO in {each.after for each in thread.links}
    assert next(each for each in thread.nodes if each.ref == INTO).state == "gone"
    assert INTO.id in {each.missing for each in thread.broken}
    assert [each for each in ask((CLIP,)).broken() if each.missing == INTO.id] == []
    (home.root / "data" / CLIP / ".git" / "refs" / "heads" / "main").write_text("0" * 40)
    assert [each for each in ask().broken() if each.missing == INTO.id] == []


def test_it_leaves_as_events_once(home: Home, mirror: Mirror, journal: Journal):
    told = Told(Collectings(journal))
    assert told.new() == []
    acted(journal, 9, NEW, rows(), rows(2))
    acted(journal, 11, "9" * 16, kind="data-track")
    start, end = told.new()
    assert told.new() == []
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["job"]["name"] == f"{LORA}.{LORA}.collect"
    assert named(end["inputs"]) == {(f"{LORA}/{LORA}/predictions", str(n)) for n in (1, 2)}
    assert named(end["outputs"]) == {(f"{LORA}/data", NEW)}
    acted(journal, 8, DATA, rows())  # began earlier, and ended later
    assert [named(one["outputs"]) for one in told.new()] == [set(), {(f"{LORA}/data", DATA)}]
    shown = list(everything.of_things(home, mirror, journal, [INTO]))
    assert shown == [start, end]
    for one in shown:
        check(one)


def test_what_a_line_or_a_file_says_wrongly_is_left_out():
    assert collected.read(collected.written([rows()])) == (rows(),)
    for line in ("", "nonsense", "{}", "[1]", '[{"project": "a"}]'):
        assert collected.read(line) == ()


def test_a_file_of_somebody_elses_making_leads_nowhere_wrong(monkeypatch: pytest.MonkeyPatch):
    good = {"project": LORA, "model": LORA, "since": 1.0, "until": 2.0, "versions": {"3": [4, 2]}}
    said = [
        good, {**good, "since": 0.5}, {}, {**good, "versions": {"x": [1, 1]}},
        {**good, "until": 1e999},
        {**good, "project": "a/b"}, {**good, "versions": {"3": [1, 2]}}, {**good, "versions": [3]},
        {**good, "model": "m" * 500},
    ]  # fmt: skip
    monkeypatch.setattr("services.predictions.collected.about", said.__getitem__)
    found = collected.of_files(range(len(said)))  # type: ignore[arg-type]
    assert found == (Collected(LORA, LORA, 3, 8, 4, 0.5, 2.0),)
