"""Data that hold files of bad data, versions made from a bad version, and one answer everywhere."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from services.actions.journal import Journal
from services.data.models import Held, Version
from services.data.service import DataService
from services.errors import EngineRefusedError
from services.lineage import marked
from services.lineage.marked import MARKABLE
from services.lineage.models import Mark, Ref, numbered
from services.lineage.radius import said
from services.lineage.walking import LIMITS, Limits, widened
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, FED, FEDERATED, LORA, MODELS, RUN, TRAIN
from tests.services.lineage.conftest import Asker

GROWN, PART, APART = (one * 16 for one in ("e", "f", "0"))
"""Later data: DATA and one file more; one file of DATA's three; nothing of DATA, but of PART."""
GROWN_RUN, PART_RUN, APART_RUN, TUNED, COMPARED, THIRD, AFTER = map(seed.run_id, range(20, 27))
V1 = numbered("version", LORA, LORA, 1)
CONTENT = {
    DATA: {"wrong", "a", "b"}, GROWN: {"wrong", "a", "b", "more"}, PART: {"wrong", "other"},
    APART: {"other"}, seed.OTHER_DATA: {"else"},
}  # fmt: skip
WIDE = Limits(nodes=2_000, fan=99)


def named(number: int, project: str = LORA) -> Ref:
    return numbered("version", project, project, number)


@pytest.fixture(autouse=True)
def content(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Say what is in the data; the repositories of the scene have no files."""
    asked: list[tuple[str, str]] = []

    def held(service: DataService, of: Version, by: Version) -> Held:
        del service
        asked.append((of.revision, by.revision))
        return Held(len(CONTENT[of.revision] & CONTENT[by.revision]), len(CONTENT[of.revision]))

    monkeypatch.setattr(DataService, "held", held)
    return asked


@pytest.fixture
def scene(ask: Asker, mirror: Mirror, home) -> Asker:
    """Three later revisions with a version each; three runs that began with a version."""
    service = ask()._data
    for revision in (GROWN, PART, APART):
        service.project(CLIP).repository.commit(
            "Track data",
            {"Mlops-Kind": "data", "Mlops-Revision": revision, "Mlops-Files": "3",
             "Mlops-Bytes": "1"},
            [],
        )  # fmt: skip
    store = Store(mirror.engine)
    store.write_runs(CLIP, (
        seed.tracked(seed.SHARED, 60, data_revision=DATA),
        seed.tracked(GROWN_RUN, 40, data_revision=GROWN),
        seed.tracked(PART_RUN, 39, data_revision=PART, task=f"{CLIP}.train/part/train/1"),
        seed.tracked(APART_RUN, 38, data_revision=APART),
        seed.tracked(AFTER, 37, task=f"{LORA}.release/rel/train/1"),
    ))  # fmt: skip
    versions = [seed.version(CLIP, n, run, 30) for n, run in
                enumerate((seed.SHARED, GROWN_RUN, PART_RUN, APART_RUN, AFTER), 1)]  # fmt: skip
    store.write_registry(CLIP, [seed.Model(CLIP, "", 0, 0, {}, {})], versions)
    store.write_runs(FEDERATED, (
        seed.tracked(seed.CLIENT, 50, data_revision=seed.OTHER_DATA, task=f"{FED}/round/client/1"),
        seed.tracked(seed.SERVER, 49, task=f"{FED}/round/server/1"),
        seed.tracked(TUNED, 20, base_version=V1.key),
        seed.tracked(COMPARED, 19, loaded_version="x/y:1", loaded_version_2=V1.key),
        seed.tracked(THIRD, 18, base_version=named(2, FEDERATED).key),
    ))  # fmt: skip
    made = [seed.version(FEDERATED, n, run, 15) for n, run in
            enumerate((seed.SERVER, TUNED, COMPARED, THIRD), 1)]  # fmt: skip
    made.append(seed.version(FEDERATED, 5, None, 400, base_version=V1.key))
    store.write_registry(FEDERATED, [seed.Model(FEDERATED, "", 0, 0, {}, {})], made)
    return ask


def came(ask: Asker, ref: Ref) -> dict[Ref, tuple[str, str]]:
    return {one.ref: (one.how, one.why) for one in ask().radius(ref).versions}


def test_later_data_that_hold_its_files_are_followed_and_told_apart(scene: Asker):
    found = scene().radius(Ref("data", DATA))
    by = {one.ref: one for one in found.versions}
    assert (by[named(1, CLIP)].how, by[named(1, CLIP)].why) == ("from it", "")
    grown = by[named(2, CLIP)]
    assert (grown.how, grown.why) == ("from it", f"its data {GROWN[:12]} hold all 3 of its files")
    part = by[named(3, CLIP)]
    assert (part.how, part.sure, part.way.held) == ("maybe", False, Held(1, 3))
    assert part.why == f"its data {PART[:12]} hold 1 of 3 of its files"
    assert part.way.through == Ref("data", PART)
    assert named(4, CLIP) not in by  # files of PART, none of DATA
    written = {one["id"]: one for one in found.as_json()["versions"]}
    assert (written[part.ref.id]["files_held"], written[part.ref.id]["files_of"]) == (1, 3)
    after = by[named(5, CLIP)]
    assert (after.how, after.why) == ("maybe", f"set off: {LORA}.release/rel")
    assert "3 versions may have come from it (for one: it" in said(found)


def test_earlier_data_did_not_come_of_later(scene: Asker):
    assert set(came(scene, Ref("data", GROWN))) == {named(2, CLIP), named(3, CLIP)}
    assert set(came(scene, Ref("data", APART))) == {named(4, CLIP)}


def test_what_was_made_from_a_version_came_of_it_and_what_loaded_it_perhaps(scene: Asker):
    found = came(scene, V1)
    assert found == {
        V1: ("itself", ""),
        named(2, FEDERATED): ("from it", f"made from {V1.key}"),
        named(4, FEDERATED): ("from it", f"made from {named(2, FEDERATED).key}"),
        named(5, FEDERATED): ("from it", f"made from {V1.key}"),
        named(3, FEDERATED): ("maybe", f"it loaded {V1.key}"),
    }
    assert found.keys() <= came(scene, Ref("run", RUN)).keys()
    assert found.keys() <= came(scene, Ref("data", DATA)).keys()
    assert found.keys() <= came(scene, Ref("models", MODELS)).keys()


def test_versions_in_service_that_perhaps_came_of_it_are_told_apart(
    scene: Asker, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    from services.serving import store
    from services.serving.models import Endpoint, Target

    ends = [Endpoint(CLIP, CLIP, Target(3)), Endpoint(LORA, LORA, Target(1))]
    monkeypatch.setattr(store, "endpoints", lambda *_: ends)
    found = scene().radius(Ref("data", DATA))
    assert [one.ref for one in found.live] == [V1]
    assert [one.ref for one in found.maybe_live] == [named(3, CLIP)]
    assert found.as_json()["maybe_live"] == [named(3, CLIP).id]
    assert f"{CLIP}.{CLIP} 3 answers requests now and may have come from it (its" in said(found)


def test_a_list_of_files_that_is_not_here_is_said_and_never_an_all_clear(
    scene: Asker, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object) -> Held:
        raise EngineRefusedError("1 file is not in the cache, the list of data: aa.", "", code="X")

    monkeypatch.setattr(DataService, "held", fails)
    found = scene().radius(Ref("data", DATA))
    for later in (GROWN, PART, APART):  # somebody trained with each
        assert any(f"the data {later[:12]} hold files of" in one for one in found.unknown)
    assert "There may be more: Whether the data" in said(found)
    assert found.as_json()["unknown"] == list(found.unknown)
    thread = scene().thread(Ref("data", DATA))
    assert any("cannot be told: 1 file is not in the cache" in one for one in thread.unknown)


def test_no_lists_are_compared_for_what_nobody_trained_with(
    ask: Asker, content: list[tuple[str, str]]
):
    ask().radius(Ref("data", DATA))
    assert (DATA, GROWN) not in content


def test_the_thread_shows_which_files_go_on(scene: Asker):
    links = {
        (one.before.key, one.after.key): one for one in scene().thread(Ref("data", DATA)).links
    }
    assert (links[DATA, GROWN].how, links[DATA, GROWN].carries) == ("has every file in", "all")
    part = links[DATA, PART]
    assert (part.how, part.carries) == ("has 1 of 3 files in", "some")
    assert (PART, APART) not in links
    up = scene().thread(named(3, CLIP), ("up",))
    assert (DATA, PART) in {(one.before.key, one.after.key) for one in up.links}


def test_what_is_marked_is_compared_however_many_revisions_lie_between(
    scene: Asker, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    from services.lineage.sources import files

    monkeypatch.setattr(files, "_COMPARED", 0)
    marked.put(journal, Mark(Ref("data", DATA), CLIP, "wrong labels", "ana", 1.0, None))
    thread = scene().thread(named(3, CLIP), ("up",))
    assert {one.ref: one for one in thread.nodes}[named(3, CLIP)].perhaps == (f"data:{DATA}",)
    assert any("earlier revisions of data are not compared" in one.said for one in thread.more)


MARKS = [
    f"data:{DATA}", f"data:{GROWN}", f"data:{PART}", f"data:{seed.OTHER_DATA}", f"models:{MODELS}",
    f"run:{RUN}", f"run:{TUNED}", f"run:{COMPARED}", f"workflow:{TRAIN}/one",
    f"workflow:{FED}/round", V1.id, named(2, FEDERATED).id,
]  # fmt: skip


@pytest.mark.parametrize("bad", MARKS)
def test_the_page_and_what_is_affected_say_the_same_of_every_version(
    scene: Asker, journal: Journal, bad: str, every: Callable[[Asker], Iterator[Ref]]
):
    ref = Ref(*bad.split(":", 1))
    assert ref.kind in MARKABLE
    marked.put(journal, Mark(ref, None, "bad", "ana", 1.0, None))
    found = scene().radius(ref)
    sure = {one.ref for one in found.versions if one.sure} - {ref}
    maybe = {one.ref for one in found.versions if not one.sure}
    assert sure, "nothing came of it: it shows nothing"
    down = scene().thread(ref, ("down",), WIDE).nodes
    versions = [one for one in down if one.ref.kind == "version"]
    assert {one.ref for one in versions if one.under} == sure
    assert {one.ref for one in versions if one.perhaps} == maybe
    for one in every(scene):  # from the version itself, as its own page asks
        own = scene().thread(one, ("up",), WIDE).start
        assert (bool(own.under), bool(own.perhaps)) == (one in sure, one in maybe), one


@pytest.fixture
def every() -> Callable[[Asker], Iterator[Ref]]:
    def all_of(scene: Asker) -> Iterator[Ref]:
        for project, numbers in ((LORA, (1, 2, 3, 4)), (CLIP, (1, 2, 3, 4, 5)),
                                 (FEDERATED, (1, 2, 3, 4, 5))):  # fmt: skip
            yield from (named(n, project) for n in numbers)

    return all_of


def test_a_tag_that_names_no_version_leads_nowhere(scene: Asker, mirror: Mirror):
    run = seed.tracked(THIRD, 18, base_version="<script>")
    Store(mirror.engine).write_runs(FEDERATED, [run])
    thread = scene().thread(Ref("run", THIRD), ("up",))
    assert all(one.after.key != THIRD for one in thread.links)


def test_runs_that_a_walk_leaves_out_are_counted(scene: Asker, mirror: Mirror):
    many = [seed.tracked(f"{n:032x}", 5, loaded_version=V1.key) for n in range(1000, 1030)]
    Store(mirror.engine).write_runs(LORA, many)
    more = [one.said for one in scene().thread(V1, ("down",)).more]
    assert "It was loaded by 19 more runs." in more
    assert dataclasses.asdict(scene().radius(V1))["runs"] == 0


def test_a_walk_is_as_wide_and_deep_as_it_is_asked_to_be(scene: Asker, mirror: Mirror):
    many = [seed.tracked(f"{n:032x}", 5, loaded_version=V1.key) for n in range(1000, 1300)]
    Store(mirror.engine).write_runs(LORA, many)
    here = scene()
    assert len(here.thread(V1, ("down",)).nodes) < 160
    wide = here.thread(V1, ("down",), widened(LIMITS, None, 400))
    assert sum(one.how == "was loaded by" for one in wide.links) == 301
    assert not [one for one in wide.more if one.ref == V1]
    short = here.thread(V1, ("down",), widened(LIMITS, 1, None))
    assert {one.before for one in short.links} == {V1}
    assert any("1 steps are shown" in one.said for one in short.more)
