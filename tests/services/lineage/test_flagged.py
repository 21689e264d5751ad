"""What is marked as bad, seen from the things that came of it."""

import pytest

from services.actions.journal import Journal
from services.lineage import flagged, marked
from services.lineage.flagged import Flag, Suspicion
from services.lineage.models import Mark, Ref, ref_of
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, MODELS, NEXT, RUN
from tests.services.lineage.conftest import Asker


def bad(journal: Journal, thing: str, project: str | None = LORA) -> Mark:
    ref = ref_of(thing)
    assert ref is not None
    mark = Mark(ref, project, "wrong labels", "mira", 5.0, 7)
    marked.put(journal, mark)
    return mark


def version(project: str, number: int) -> Ref:
    return Ref("version", f"{project}/{project}:{number}")


def test_nothing_is_marked_and_nothing_is_looked_for(ask: Asker, monkeypatch: pytest.MonkeyPatch):
    here = ask()
    for name in ("radius", "thread"):
        monkeypatch.setattr(type(here), name, lambda *_: 1 / 0)
    assert flagged.of(here, version(LORA, 1)) == flagged.of(here, Ref("data", DATA)) == Suspicion()


def test_of_versions_all_are_known_in_service_or_not(ask: Asker, journal: Journal):
    mark = bad(journal, f"data:{DATA}")
    found = flagged.of_versions(ask().spoilt())
    assert set(found) == {version(LORA, 1), version(LORA, 2), version(CLIP, 1)}
    assert found[version(LORA, 2)] == (Flag(version(LORA, 2), mark),)
    assert flagged.of(ask(), version(LORA, 2)) == Suspicion(found[version(LORA, 2)])
    assert flagged.of(ask(), version(LORA, 3)) == Suspicion()


def test_what_is_said_names_who_and_why_to_its_own_project_alone(ask: Asker, journal: Journal):
    bad(journal, f"data:{DATA}")
    (lora,) = flagged.of(ask(), version(LORA, 1)).flags
    assert lora.said(LORA) == (
        f"Version 1 of {LORA}.{LORA} came from data:{DATA}, which mira marked as bad: wrong labels."
    )
    (clip,) = flagged.of(ask(), version(CLIP, 1)).flags
    assert clip.said(CLIP).endswith("which is marked as bad in another project.")
    assert "mira" not in clip.said(CLIP)
    bad(journal, version(LORA, 1).id)
    own, _ = flagged.of(ask(), version(LORA, 1)).flags
    said = f"Version 1 of {LORA}.{LORA} is marked as bad by mira: wrong labels."
    assert (own.itself, own.said(LORA)) == (True, said)
    assert own.said(CLIP) == f"Version 1 of {LORA}.{LORA} is marked as bad in another project."


def test_what_only_loaded_a_bad_version_may_have_come_from_it_and_is_not_held_up(
    ask: Asker, journal: Journal, mirror: Mirror
):
    loaded = seed.tracked(NEXT, 20, data_revision=DATA, loaded_version=f"{LORA}/{LORA}:1")
    Store(mirror.engine).write_runs(LORA, (loaded,))
    bad(journal, version(LORA, 1).id)
    (flag,) = flagged.of(ask(), version(LORA, 2)).flags
    assert (flag.sure, flag.holds) == (False, False)
    assert f"may have come from version:{LORA}/{LORA}:1 (it loaded" in flag.said(LORA)


def test_of_data_and_models(ask: Asker, journal: Journal):
    mark = bad(journal, f"data:{DATA}")
    assert flagged.of(ask(), mark.ref).flags == (Flag(mark.ref, mark),)
    assert flagged.of(ask(), Ref("models", MODELS)).flags == (Flag(Ref("models", MODELS), mark),)
    assert flagged.of(ask(), Ref("data", seed.OTHER_DATA)).flags == ()
    lost = bad(journal, "data:9999")
    assert flagged.of(ask(), lost.ref).flags == (Flag(lost.ref, lost),)
    assert flagged.of(ask(), Ref("data", "8888")).flags == ()


@pytest.mark.parametrize(
    ("thing", "word"),
    [(f"version:{LORA}/{LORA}:1", "bad"), (f"run:{RUN}", "from bad"), ("data:9999", "")],
)
def test_one_word_for_it(ask: Asker, journal: Journal, thing: str, word: str):
    mark = bad(journal, thing)
    found = flagged.of(ask(), version(LORA, 1)).flags
    assert flagged.word(found) == word
    came = [mark.ref.id] if word else []
    assert flagged.as_json(found) == {"came_from_bad": came, "maybe_from_bad": []}
    assert flagged.word((Flag(version(LORA, 9), mark, sure=False),)) == "maybe from bad"
