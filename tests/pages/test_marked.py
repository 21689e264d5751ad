"""What is marked as bad, on the pages of what came of it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import marked as shown
from dashboard import state
from services.home import Home
from services.lineage import marked
from services.lineage.models import Mark, Ref
from services.mirror import schema
from services.mirror.store import Store
from services.retraining import store as retraining
from services.retraining.models import Data
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA
from tests.pages.conftest import Open, said
from tests.pages.roles import EVERY_ROLE
from tests.services.retraining.things import proposal

BAD = Mark(Ref("data", DATA), LORA, "wrong <b>labels</b>", "ana", seed.NOW, None)
PAGES = (
    ("deployments", {"deployment": f"{LORA}.{LORA}"}),
    ("deployments", {}),
    ("model", {"of": LORA, "model": LORA, "version": "1"}),
    ("registry", {}),
    ("monitoring", {"deployment": f"{LORA}.{LORA}"}),
    ("data", {"of": LORA, "kind": "data", "revision": DATA}),
)


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("marked"))
    made.create()
    seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    seed.files(made)
    return made.root


@pytest.fixture
def scene(
    home: Home, mould: Path, signed_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Lay the scene into the home, for a person."""
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")

    def laid(role: str = "viewer", projects: tuple[str, ...] | None = None) -> None:
        for name in ("db", "data", "serving"):
            shutil.copytree(mould / name, home.root / name, dirs_exist_ok=True, symlinks=True)
        signed_in(role, projects)
        store = Store(schema.open_engine(Settings().mirror_url))
        for name, title in (("controller", "Controller"), ("mlflow", "MLflow")):
            store.write_engine(name, title, "live")
        store.engine.dispose()
        seed.deployed(state.journal())

    return laid


def told(app: AppTest) -> str:
    """Return all that a page says, tables too."""
    tables = " ".join(str(one.value.to_dict()) for one in app.dataframe)
    return f"{said(app)} {tables}"


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize(("page", "query"), PAGES, ids=[f"{p}{len(q)}" for p, q in PAGES])
def test_every_page_of_what_came_from_it_says_so_until_it_is_unmarked(
    scene: Callable[..., None], open_page: Open, role: str, page: str, query: dict[str, str]
):
    scene(role)
    before = open_page(page, mirror="mine", role=role, **query)
    assert not before.exception
    assert "from bad" not in told(before)
    marked.put(state.journal(), BAD)
    app = open_page(page, mirror="mine", role=role, **query)
    assert not app.exception
    word = "from bad" if page != "data" else "bad"
    assert word in told(app)
    marked.take_back(state.journal(), BAD.ref)
    assert "from bad" not in told(open_page(page, mirror="mine", role=role, **query))


def test_people_of_another_project_are_told_neither_who_nor_why(
    scene: Callable[..., None], open_page: Open
):
    scene("viewer", (CLIP,))
    marked.put(state.journal(), BAD)
    app = open_page("model", mirror="mine", of=CLIP, model=CLIP, version="1")
    assert "from bad" in said(app)
    flags = shown.of_version(CLIP, CLIP, 1)
    assert "in another project" in shown.why(flags, CLIP)
    assert "labels" not in shown.why(flags, CLIP)


def threads(app: AppTest) -> list[str]:
    """Return the things whose threads the page leads to."""
    found = [parse_qs(link.proto.query_string) for link in app.page_link
             if str(link.proto.page).endswith("lineage")]  # fmt: skip
    return [one["id"][0] for one in found if "id" in one]


@pytest.mark.parametrize(
    ("page", "query", "thing"),
    [
        ("deployments", {"deployment": f"{LORA}.{LORA}"}, f"version:{LORA}/{LORA}:1"),
        ("model", {"of": LORA, "model": LORA, "version": "2"}, f"version:{LORA}/{LORA}:2"),
        ("workflows", {"dag": seed.TRAIN, "run": "one"}, f"workflow:{seed.TRAIN}/one"),
    ],
)
def test_lineage_is_one_click_away(
    scene: Callable[..., None], open_page: Open, page: str, query: dict[str, str], thing: str
):
    scene()
    app = open_page(page, mirror="mine", **query)
    assert not app.exception
    assert thing in threads(app)


def test_a_retraining_leads_to_its_thread_and_says_that_its_data_is_bad(
    scene: Callable[..., None], open_page: Open
):
    scene("approver")
    bad = f"The data {DATA} is marked as bad by ana: wrong labels."
    data = Data(DATA, DATA, None, "Version one.", bad=bad)
    one = replace(proposal(0), project=LORA, model=LORA, version=1, data=data)
    kept = retraining.put(state.journal(), one)
    query = {"deployment": f"{LORA}.{LORA}", "part": "retraining"}
    app = open_page("monitoring", mirror="mine", **query)
    assert not app.exception
    assert f"retraining:{kept.id}" in threads(app)
    assert bad in said(app)
