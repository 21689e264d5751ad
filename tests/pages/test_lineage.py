"""The page of lineage, as the app draws it over a whole thread."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import state
from services.home import Home
from services.lineage import marked
from services.lineage.models import Mark, Ref
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, FEDERATED, LORA, RUN
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE

V1 = f"version:{LORA}/{LORA}:1"
BAD = Mark(Ref("data", DATA), LORA, "wrong <b>labels</b>", "ana", seed.NOW, None)


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("lineage"))
    made.create()
    seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    seed.files(made)
    return made.root


@pytest.fixture
def scene(home: Home, mould: Path, signed_in: Callable[..., str]) -> Callable[..., None]:
    """Lay the scene into the home, for a person."""

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


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_every_role_sees_the_whole_thread(scene: Callable[..., None], open_page: Open, role: str):
    scene(role)
    app = open_page("lineage", role=role, mirror="laid", id=V1)
    assert not app.exception
    assert not app.error
    told = said(app)
    for word in (DATA[:12], "Workflow run", "Training run", "champion", "Deployment",
                 "Predictions"):  # fmt: skip
        assert word in told
    assert f"/lineage?id=run%3A{RUN}" in told
    assert "1 answers requests now and came from it" in told
    marks = app.button(key="lineage-mark")
    assert marks.disabled == (role not in {"approver", "admin"})


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_before_anything_was_trained_it_teaches(open_page: Open, role: str):
    app = open_page("lineage", role=role, mirror="empty")
    assert not app.exception
    assert "There is no thread yet" in said(app)
    assert "mlops run PROJECT" in said(app)


def test_while_the_controller_is_away_the_thread_stays_and_nothing_is_marked(open_page: Open):
    app = open_page("lineage", role="admin", mirror="down",
                    id="version:lora-finetuning/lora-finetuning:1")  # fmt: skip
    assert not app.exception
    assert "champion" in said(app)


def test_it_begins_with_what_is_live_bad_and_broken(scene: Callable[..., None], open_page: Open):
    scene()
    marked.put(state.journal(), BAD)
    app = open_page("lineage", mirror="laid")
    assert not app.exception
    told = said(app)
    assert "wrong &lt;b&gt;labels" in told
    assert "in service" in told
    assert "which MLflow does not know" in told
    assert f"{LORA} 1" in said_links(app)
    assert f"{CLIP} 1" in said_links(app)


def test_what_came_from_bad_says_so_in_sign_word_and_colour(
    scene: Callable[..., None], home: Home, open_page: Open
):
    scene("approver")
    marked.put(state.journal(), BAD)
    app = open_page("lineage", role="approver", mirror="laid", id=V1)
    assert "It came from what is marked as bad" in said(app)
    assert "⚐ from bad" in said(app)
    assert "⚑ bad" in said(app)
    app = open_page("lineage", role="approver", mirror="laid", id=f"data:{DATA}")
    assert "Marked as bad" in app.error[0].value
    assert not app.button(key="lineage-unmark").disabled


@pytest.mark.parametrize(
    ("words", "found"),
    [(RUN, "Training run"), (DATA[:6], "Data"), (f"{LORA}/{LORA}:1", "champion")],
)
def test_words_that_mean_one_thing_show_it(
    scene: Callable[..., None], open_page: Open, words: str, found: str
):
    scene()
    app = open_page("lineage", mirror="laid", find=words)
    assert not app.exception
    assert found in said(app)
    assert "What came of it and is in use" in said(app)


def test_words_that_mean_nothing_say_what_is_found(scene: Callable[..., None], open_page: Open):
    scene()
    app = open_page("lineage", mirror="laid", find="<img src=x>")
    assert not app.exception
    assert "Nothing is called" in said(app)


@pytest.mark.parametrize("id_", ["run:0", "version:x", "workflow:x", f"version:{LORA}/{LORA}:99"])
def test_an_id_of_nothing_is_a_sentence(scene: Callable[..., None], open_page: Open, id_: str):
    scene()
    app = open_page("lineage", mirror="laid", id=id_)
    assert not app.exception
    assert len(app.error) == 1


def test_an_address_that_is_no_id_shows_where_to_begin(scene: Callable[..., None], open_page: Open):
    scene()
    app = open_page("lineage", mirror="laid", id="nonsense")
    assert not app.exception
    assert "In service now" in said(app)


def test_where_to_begin_says_of_what_is_live_what_it_was_made_of(
    scene: Callable[..., None], home: Home, open_page: Open
):
    scene()
    number = seed.answered(state.journal(), seed.checked(home, state.journal()))
    marked.put(state.journal(), BAD)
    app = open_page("lineage", mirror="laid")
    assert not app.exception
    told = next(one.value for one in app.caption if "play_circle" in one.value)
    assert DATA[:12] in told
    assert "from bad" in told
    assert f"Retraining {number} of {LORA}" in said(app) + said_links(app)


def test_a_person_of_one_project_sees_that_alone(scene: Callable[..., None], open_page: Open):
    scene("approver", (LORA,))
    app = open_page("lineage", role="approver", projects=(LORA,), mirror="laid")
    assert CLIP not in said(app) + said_links(app)
    assert FEDERATED not in said(app) + said_links(app)
    app = open_page("lineage", role="approver", projects=(LORA,), mirror="laid", id=f"data:{DATA}")
    assert CLIP not in said(app) + said_links(app)
    assert "of projects that you do not see" in said(app)
    app = open_page(
        "lineage", role="approver", projects=(LORA,), mirror="laid", id=f"run:{seed.SHARED}"
    )
    assert "There is no run" in app.error[0].value


def test_broken_links_are_told_with_what_to_do(scene: Callable[..., None], open_page: Open):
    scene()
    app = open_page("lineage", mirror="laid", id=f"run:{seed.LOOSE}")
    assert ":red[:material/link_off: broken]" in said(app)
    assert "✕ broken" in said(app)


def test_a_journal_that_cannot_be_asked_is_a_sentence(
    scene: Callable[..., None], open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    from services.errors import JournalError
    from services.serving import store

    scene()

    def fails(*_: object) -> None:
        raise JournalError("The journal could not be used (locked).", "Try again.")

    monkeypatch.setattr(store, "endpoints", fails)
    app = open_page("lineage", mirror="laid")
    assert not app.exception
    assert "could not be used" in app.error[0].value


def test_an_approver_marks_it_in_the_dialog(
    scene: Callable[..., None],
    open_page: Open,
    dialog_open: Callable[[str], None],
    carry_out: Callable[[], int],
):
    scene("approver")
    dialog_open("lineage-mark")
    app = open_page("lineage", role="approver", mirror="laid", id=f"data:{DATA}")
    assert app.button(key="acting-do").disabled
    app.text_input(key="lineage-reason").input("wrong labels").run()
    assert f"{CLIP}.{CLIP} 1" in said(app)  # what happens
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    found = marked.mark_of(state.journal(), Ref("data", DATA))
    assert found is not None
    assert (found.by, found.reason) == ("mira", "wrong labels")


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_from_an_alert_the_page_shows_the_whole_thread(
    scene: Callable[..., None], open_page: Open, home: Home, role: str
):
    scene(role)
    number = seed.checked(home, state.journal())
    answer = seed.answered(state.journal(), number)
    app = open_page("lineage", role=role, mirror="laid", id=f"alert:{number}")
    assert not app.exception
    assert not app.error
    told = said(app)
    for word in (DATA[:12], "Training run", "Predictions", "Verdict", f"data of {LORA} 1",
                 f"The inputs of {LORA} drifted", "firing, critical"):  # fmt: skip
        assert word in told
    for there in ("verdict%3Av-1", f"retraining%3A{answer}", f"run%3A{seed.NEXT}",
                  f"version%3A{LORA}%2F{LORA}%3A2"):  # fmt: skip
        assert f"/lineage?id={there}" in told
    forth = open_page("lineage", role=role, mirror="laid", id=f"data:{DATA}", way="came of it")
    assert f"/lineage?id=alert%3A{number}" in said(forth)


def test_who_does_not_see_the_project_is_told_that_there_is_no_such_alert(
    scene: Callable[..., None], open_page: Open, home: Home
):
    scene("viewer", (CLIP,))
    number = seed.checked(home, state.journal())
    app = open_page("lineage", projects=(CLIP,), mirror="laid", id=f"alert:{number}")
    assert not app.exception
    assert "There is no alert" in app.error[0].value
    assert "drifted" not in said(app)
