"""A data repository that cannot be read: what is in it may hold files of what is bad."""

import pytest

from services.actions.journal import Journal
from services.data.models import Kind
from services.data.service import DataService
from services.errors import EngineRefusedError
from services.lineage import flagged, marked
from services.lineage.flagged import Flag, Suspicion
from services.lineage.models import Mark, Ref, numbered
from tests.lineage_seed import CLIP, DATA, LORA, OTHER_DATA
from tests.services.lineage.conftest import Asker

UNREAD = f"Data of {CLIP}: The repository is damaged."


def break_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = DataService.versions

    def damaged(service: DataService, project: str, kind: Kind | None = None):
        if project == CLIP:
            raise EngineRefusedError("The repository is damaged.", "", code="X")
        return whole(service, project, kind)

    monkeypatch.setattr(DataService, "versions", damaged)


@pytest.mark.parametrize("revision", [DATA, OTHER_DATA, "f" * 16])
def test_what_came_of_data_may_be_more(ask: Asker, monkeypatch: pytest.MonkeyPatch, revision: str):
    one = Ref("data", revision)
    assert ask().radius(one).unknown == ()
    break_one(monkeypatch)
    here = ask()
    assert here.radius(one).unknown == (UNREAD,)
    for way in ("up", "down"):
        assert UNREAD in here.thread(one, (way,)).unknown


REACHED, OTHER = (numbered("version", LORA, LORA, number) for number in (1, 3))


def bad(journal: Journal, ref: Ref) -> Mark:
    mark = Mark(ref, LORA, "wrong labels", "mira", 5.0, 7)
    marked.put(journal, mark)
    return mark


def test_that_it_cannot_be_told_speaks_against_what_a_mark_does_not_surely_reach(
    ask: Asker, monkeypatch: pytest.MonkeyPatch, journal: Journal
):
    break_one(monkeypatch)
    assert flagged.of(ask(), OTHER) == flagged.of(ask(), Ref("data", OTHER_DATA)) == Suspicion()
    bad(journal, Ref("data", DATA))
    (flag,) = flagged.of(ask(), REACHED).flags
    assert flagged.of(ask(), REACHED) == Suspicion((flag,))
    assert flagged.of(ask(), OTHER) == Suspicion((), (UNREAD,))
    assert UNREAD in flagged.of(ask(), Ref("data", OTHER_DATA)).unknown
    bad(journal, Ref("data", "f" * 16))
    assert flagged.of(ask(), REACHED) == Suspicion((flag,), (UNREAD,))
    assert flagged.of(ask(), REACHED).said(LORA) == (
        flag.said(LORA),
        f"Whether it came from what is marked as bad cannot be told: {UNREAD}",
    )


def test_of_a_marked_version_all_is_known_and_of_others_not_what_was_collected_of_it(
    ask: Asker, monkeypatch: pytest.MonkeyPatch, journal: Journal
):
    break_one(monkeypatch)
    mark = bad(journal, REACHED)
    assert flagged.of(ask(), REACHED) == Suspicion((Flag(REACHED, mark),))
    assert flagged.of(ask(), OTHER) == Suspicion((), (UNREAD,))
