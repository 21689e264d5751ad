"""What came of a thing and is in use; what is marked; what is broken anywhere."""

import pytest
from sqlalchemy import insert

from services.actions.journal import Journal
from services.errors import InputError
from services.home import Home
from services.lineage import marked
from services.lineage.models import Mark, Ref, ref_of
from services.lineage.radius import said
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.serving import bundle, paths
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, FED, FEDERATED, LORA, RUN, TRAIN
from tests.services.lineage.conftest import Asker


def ref(text: str) -> Ref:
    found = ref_of(text)
    assert found is not None
    return found


def told(ask: Asker, text: str, projects: tuple[str, ...] | None = None) -> dict[str, tuple]:
    found = ask(projects).radius(ref(text))
    return {one.ref.key: (one.how, one.serving) for one in found.versions}


def test_of_data_everything_live_is_found_over_all_projects(ask: Asker):
    found = ask().radius(ref(f"data:{DATA}"))
    assert found.runs == 3
    assert [one.ref.key for one in found.live] == [f"{CLIP}/{CLIP}:1", f"{LORA}/{LORA}:1"]
    assert told(ask, f"data:{DATA}") == {
        f"{LORA}/{LORA}:1": ("from it", "live"),
        f"{LORA}/{LORA}:2": ("from it", "on its way"),
        f"{CLIP}/{CLIP}:1": ("from it", "live"),
    }
    sentence = said(found)
    assert f"{LORA}.{LORA} 1" in sentence
    assert f"{CLIP}.{CLIP} 1" in sentence
    assert "1 version of them is on the way" in sentence
    assert found.versions[1].aliases == ("champion",)


def test_it_is_complete_however_many_runs_there_are(ask: Asker, mirror: Mirror):
    runs = [seed.tracked(f"{n:032x}", 5, data_revision=DATA) for n in range(1000, 2500)]
    Store(mirror.engine).write_runs(LORA, runs)
    found = ask().radius(ref(f"data:{DATA}"))
    assert found.runs == 1503
    assert len(found.live) == 2


def test_of_data_by_a_versions_own_tags_when_its_run_is_gone(ask: Asker):
    found = told(ask, f"data:{seed.OTHER_DATA}")
    assert found[f"{LORA}/{LORA}:3"] == ("from it", "")
    assert found[f"{FEDERATED}/{FEDERATED}:1"] == ("beside it", "")


def test_of_the_other_things(ask: Asker):
    version = f"{LORA}/{LORA}:1"
    assert told(ask, f"run:{RUN}") == {version: ("from it", "live")}
    assert told(ask, f"workflow:{TRAIN}/one") == {version: ("from it", "live")}
    assert told(ask, f"workflow:{FED}/round") == {f"{FEDERATED}/{FEDERATED}:1": ("from it", "")}
    assert told(ask, f"version:{version}") == {version: ("itself", "live")}
    assert told(ask, f"deployment:{version}") == {version: ("itself", "live")}
    assert told(ask, f"models:{seed.MODELS}") == {version: ("from it", "live")}
    assert told(ask, "data:9999") == {}
    with pytest.raises(InputError):
        ask().radius(ref("verdict:v-1"))


def test_of_other_projects_only_the_number_is_told(ask: Asker):
    found = ask((LORA,)).radius(ref(f"data:{DATA}"))
    assert {one.project for one in found.versions} == {LORA}
    assert (found.runs, found.hidden, found.hidden_live) == (2, 1, 1)
    assert "1 version more of projects that you do not see, 1 of them in service" in said(found)
    assert CLIP not in str(found.as_json())


def test_a_mark_shows_on_the_thing_and_on_all_that_came_of_it(ask: Asker, journal: Journal):
    bad = Mark(ref(f"data:{DATA}"), LORA, "wrong labels", "mira", 5.0, 7)
    marked.put(journal, bad)
    nodes = {one.id: one for one in ask().thread(ref(f"version:{LORA}/{LORA}:1")).nodes}
    assert nodes[f"data:{DATA}"].mark == bad
    assert nodes[f"version:{LORA}/{LORA}:1"].under == (f"data:{DATA}",)
    assert nodes[f"predictions:{LORA}/{LORA}:1"].under == (f"data:{DATA}",)
    assert nodes[f"data:{DATA}"].under == ()
    (spoilt,) = ask().spoilt()
    assert (spoilt.mark, len(spoilt.radius.live)) == (bad, 2)
    assert ask((CLIP,)).spoilt() == ()
    marked.put(journal, Mark(bad.ref, LORA, "worse", "ana", 6.0, None))
    assert marked.mark_of(journal, bad.ref).reason == "worse"
    assert marked.take_back(journal, bad.ref)
    assert not marked.take_back(journal, bad.ref)
    assert ask().spoilt() == ()


def test_a_mark_of_a_later_version_of_the_platform_is_left_alone(ask: Asker, journal: Journal):
    from services.actions import schema as journal_schema

    with journal.write() as connection:
        row = {"subject": "dream:x", "project": None, "reason": "", "by": "", "at_ms": 0}
        connection.execute(insert(journal_schema.lineage_marks).values(**row))
    assert ask().spoilt() == ()


def test_a_circle_ends(ask: Asker, mirror: Mirror):
    """A retraining's version raises the alert that set its own training off."""
    thread = ask().thread(ref("verdict:v-1"))
    assert len({one.id for one in thread.nodes}) == len(thread.nodes)


# Broken links of everything


def missing(ask: Asker, projects: tuple[str, ...] | None = None) -> dict[str, str]:
    return {one.missing: one.said for one in ask(projects).broken()}


def test_every_broken_link_is_found_and_named(ask: Asker, home: Home):
    found = missing(ask)
    assert set(found) == {
        f"bundle:{CLIP}/{CLIP}:1", f"run:{seed.GONE}", "run", f"data:{seed.LOST_DATA}",
        f"workflow:{TRAIN}/forgotten",
    }  # fmt: skip
    assert "Its own tags name the data" in found[f"run:{seed.GONE}"]
    assert found[f"data:{seed.LOST_DATA}"].startswith("One run names the data")
    (paths.bundle(home, LORA, LORA, 1) / bundle.INFO).unlink()
    assert f"bundle:{LORA}/{LORA}:1" in missing(ask)


def test_a_live_version_that_the_registry_does_not_know_is_broken(ask: Asker, mirror: Mirror):
    with mirror.engine.begin() as connection:
        connection.execute(schema.versions.delete().where(schema.versions.c.project == CLIP))
    assert "which the registry does not know" in missing(ask)[f"version:{CLIP}/{CLIP}:1"]


def test_what_many_runs_name_is_told_once(ask: Asker, mirror: Mirror):
    runs = [seed.tracked(f"{n:032x}", 5, data_revision=seed.LOST_DATA,
                         task=f"{TRAIN}/forgotten/train/{n}")
            for n in range(1000, 1300)]  # fmt: skip
    Store(mirror.engine).write_runs(LORA, runs)
    found = missing(ask)
    assert found[f"data:{seed.LOST_DATA}"].startswith("301 runs name the data")
    assert found[f"workflow:{TRAIN}/forgotten"].startswith("301 runs were made")


def test_broken_links_of_other_projects_are_not_told(ask: Asker):
    assert missing(ask, (CLIP,)).keys() == {f"bundle:{CLIP}/{CLIP}:1"}
    assert CLIP not in str(missing(ask, (LORA,)))


def test_while_a_data_repository_cannot_be_read_its_revisions_are_not_called_lost(
    ask: Asker, home: Home
):
    (home.root / "data" / CLIP / ".git" / "refs" / "heads" / "main").write_text("0" * 40)
    assert f"data:{seed.LOST_DATA}" not in missing(ask)
    assert CLIP in ask().unread[0]
