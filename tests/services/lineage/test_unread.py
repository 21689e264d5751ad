"""A data repository that cannot be read: what is in it may hold files of what is bad."""

import pytest

from services.data.models import Kind
from services.data.service import DataService
from services.errors import EngineRefusedError
from services.lineage.models import Ref
from tests.lineage_seed import CLIP, DATA, OTHER_DATA
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
