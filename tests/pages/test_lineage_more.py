"""The page of lineage: what may have come from bad, the list's links, and what was left out."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import state
from services.data.models import Held, Version
from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home
from services.lineage import marked
from services.lineage.models import Mark, Ref
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, FEDERATED, LORA, RUN
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE

V1 = f"version:{LORA}/{LORA}:1"
CLIP2 = f"version:{CLIP}/{CLIP}:2"
LATER, LATER_RUN = "e" * 16, seed.run_id(20)


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("lineage"))
    made.create()
    seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    seed.files(made)
    return made.root


@pytest.fixture
def scene(
    home: Home, mould: Path, signed_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Lay the scene: clip's later data hold two of four files of the first; 30 runs loaded V1."""

    def held(service: DataService, of: Version, by: Version) -> Held:
        del service
        return Held(2, 4) if (of.revision, by.revision) == (DATA, LATER) else Held(0, 4)

    monkeypatch.setattr(DataService, "held", held)

    def laid(role: str = "viewer", projects: tuple[str, ...] | None = None) -> None:
        for name in ("db", "data", "serving"):
            shutil.copytree(mould / name, home.root / name, dirs_exist_ok=True, symlinks=True)
        signed_in(role, projects)
        store = Store(schema.open_engine(Settings().mirror_url))
        store.write_engine("controller", "Controller", "live")
        runs = [seed.tracked(f"{n:032x}", 5, loaded_version=V1.partition(":")[2])
                for n in range(1000, 1030)]  # fmt: skip
        store.write_runs(LORA, runs)
        clip = [seed.tracked(seed.SHARED, 60, data_revision=DATA),
                seed.tracked(LATER_RUN, 40, data_revision=LATER)]  # fmt: skip
        store.write_runs(CLIP, clip)
        made = [seed.version(CLIP, 1, seed.SHARED, 55), seed.version(CLIP, 2, LATER_RUN, 30)]
        store.write_registry(CLIP, [seed.Model(CLIP, "", 0, 0, {}, {})], made)
        said_of = {"Mlops-Kind": "data", "Mlops-Revision": LATER, "Mlops-Files": "3",
                   "Mlops-Bytes": "1"}  # fmt: skip
        DataService(Remote(home)).project(CLIP).repository.commit("Track data", said_of, [])
        store.engine.dispose()
        seed.deployed(state.journal())
        marked.put(state.journal(), Mark(Ref("data", DATA), LORA, "wrong", "ana", 1.0, None))

    return laid


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_what_may_have_come_from_bad_is_told_apart(
    scene: Callable[..., None], open_page: Open, role: str
):
    scene(role)
    app = open_page("lineage", role=role, mirror="laid", id=CLIP2)
    assert not app.exception
    told = said(app)
    assert "It may have come from what is marked as bad" in told
    assert "It came from what is marked as bad" not in told
    assert "⚐ maybe from bad" in told
    assert DATA in said_links(app)
    bad = said(open_page("lineage", role=role, mirror="laid", id=f"data:{DATA}"))
    assert "perhaps: its data eeeeeeeeeeee hold 2 of 4 of its files" in bad
    assert "has 2 of 4 files in" in bad


def test_the_lists_lines_are_links_and_what_was_left_out_is_opened(
    scene: Callable[..., None], open_page: Open
):
    scene()
    app = open_page("lineage", mirror="laid", id=V1)
    told = said(app)
    line = f'<a href="/lineage?id=run%3A{RUN}">run:{RUN}</a> <i>was registered as</i> <a href='
    assert line in told
    assert "It was loaded by 18 more runs." in told
    assert "Show more" in said_links(app)
    wide = open_page("lineage", mirror="laid", id=V1, wide="1")
    assert not wide.exception
    assert "It was loaded by 18 more runs." not in said(wide)
    assert said(wide).count("was loaded by") == 30
    for nonsense in ("9", "x", "-1"):
        app = open_page("lineage", mirror="laid", id=V1, wide=nonsense)
        assert "It was loaded by 18 more runs." in said(app)


def test_of_other_projects_nothing_is_named_among_what_was_left_out(
    scene: Callable[..., None], open_page: Open
):
    scene("viewer", (LORA,))
    app = open_page("lineage", projects=(LORA,), mirror="laid", id=f"data:{DATA}")
    assert not app.exception
    assert CLIP not in said(app) + said_links(app)
    assert FEDERATED not in said(app) + said_links(app)


def test_the_mirror_of_the_scene_is_there(scene: Callable[..., None], home: Home):
    """Or the others would look at nothing."""
    scene()
    with_runs = Mirror(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    assert len(with_runs.rows(schema.runs.select())) > 30
    with_runs.engine.dispose()
