"""The page of data and models, as the app draws it over real versions."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.numbers import size
from services.data.service import DataService
from services.home import Home
from services.settings import Settings
from tests import data_seed, seed
from tests.data_seed import BROKEN, CHANGED, GROWN, LISTLESS, NEW
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE
from tests.services.data.conftest import write


def said(app: AppTest) -> str:
    tables = "\n".join(one.value.to_string() for one in app.dataframe)
    tiles = "\n".join(f"{one.label} {one.value}" for one in app.metric)
    links = "\n".join(str(link.proto.label) for link in app.get("page_link"))
    return "\n".join((words(app), tables, tiles, links)).replace("\\", "")


def row(app: AppTest, title: str, kind: str = "data"):
    table = app.dataframe[0].value
    return table[(table["project"] == title) & (table["kind"] == kind)].iloc[0]


def versions(app: AppTest):
    return next(d.value for d in app.dataframe if "grown" in d.value and "revision" in d.value)


def files(app: AppTest):
    return next(d.value for d in app.dataframe if "path" in d.value)


# All projects


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    versioned: DataService, open_page: Open, role: str, mirror: str
):
    app = open_page("data", role=role, mirror=mirror)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Data"
    assert len(app.dataframe[0].value) == 2 * len(data_seed.PROJECTS)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_without_any_project_it_says_how_data_gets_there(open_page: Open, role: str):
    app = open_page("data", role=role, mirror="empty")
    assert not app.exception
    assert "No project has data yet" in said(app)
    assert "mlops projects add PATH" in said(app)


def test_projects_without_a_repository_are_named(open_page: Open):
    app = open_page("data")
    assert not app.dataframe
    assert "Without a data repository yet: LoRA fine-tuning, Stable diffusion" in said(app)


def test_each_folder_is_told_with_state_version_and_remote(versioned: DataService, open_page: Open):
    app = open_page("data")
    grown = row(app, "LoRA fine-tuning")
    current = versioned.versions(GROWN, "data")[0]
    assert list(grown["state"]) == ["✓ clean"]
    assert (grown["revision"], grown["versions"]) == (current.revision, "6")
    assert (grown["files"], list(grown["remote"])) == ("24", ["○ not sent"])
    changed = row(app, "CLIP fine-tuning")
    assert list(changed["state"]) == ["▲ changed"]
    assert "Files changed since this version" in changed["why"]
    waits = app.info[0].value.replace("\\", "")
    assert "**CLIP fine-tuning**, data: 1 version has waited for 25 min" in waits
    assert "connection refused" in waits
    assert list(changed["remote"]) == ["◷ queued"]
    assert list(row(app, "Stable diffusion")["state"]) == ["▲ untracked"]
    assert list(row(app, "Quantized optimization")["state"]) == ["○ not listed"]
    told = said(app)
    assert "Versions 12" in told
    assert "Wait for the remote 1" in told
    assert "no safer than the cache" in told
    assert "2 folders have changes that are no version yet" in told
    cache = next(tile for tile in app.metric if tile.label == "Cache")
    assert cache.value == size(versioned.room().bytes)


def test_the_scope_holds(versioned: DataService, open_page: Open):
    table = open_page("data", project=CHANGED).dataframe[0].value
    assert set(table["project"]) == {"CLIP fine-tuning"}


def test_a_scoped_person_sees_their_projects_only(versioned: DataService, open_page: Open):
    app = open_page("data", projects=(CHANGED,))
    assert set(app.dataframe[0].value["project"]) == {"CLIP fine-tuning"}
    other = open_page("data", projects=(CHANGED,), of=GROWN)
    assert "There is no project" in other.error[0].value


def test_a_damaged_repository_is_a_sentence_and_the_others_are_shown(
    versioned: DataService, home: Home, open_page: Open
):
    data_seed.damage(home)
    app = open_page("data")
    assert not app.exception
    assert len(app.error) == 1
    assert "CPU compression: git failed in the data repository" in app.error[0].value.replace(
        "\\", ""
    )
    assert list(row(app, "CPU compression")["state"]) == ["✕ damaged"]
    assert list(row(app, "LoRA fine-tuning")["state"]) == ["✓ clean"]


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_the_page_of_a_damaged_one_says_so_and_offers_nothing(
    versioned: DataService, home: Home, open_page: Open, role: str
):
    data_seed.damage(home)
    app = open_page("data", role=role, of=BROKEN)
    assert not app.exception
    assert "git failed in the data repository" in app.error[0].value
    assert all(app.button(key=key).disabled for key in ("data-add", "data-prune", "data-share"))


def test_a_state_file_that_cannot_be_read_is_a_sentence(
    versioned: DataService, home: Home, open_page: Open
):
    write(home.root / "data" / BROKEN / ".mlops" / "state.json", "{")
    app = open_page("data")
    assert not app.exception
    assert "state.json cannot be read" in app.error[0].value.replace("\\", "")


def test_without_git_it_says_what_to_install(
    versioned: DataService, open_page: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    app = open_page("data", of=GROWN)
    assert not app.exception
    assert "git is not installed. Install git" in said(app)


def test_a_remote_that_is_away_is_told_above_all(
    versioned: DataService, home: Home, open_page: Open
):
    (home.root / "dvc" / "remote.id").write_text(f"abc\n{home.root / 'dvc' / 'remote'}")
    app = open_page("data")
    assert "is away" in app.warning[0].value
    assert "mount it again" in app.warning[0].value


# One project


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize(("of", "kind"), [(GROWN, "data"), (NEW, "data")])
def test_a_project_draws_for_every_role(
    versioned: DataService, open_page: Open, role: str, of: str, kind: str
):
    app = open_page("data", role=role, of=of, kind=kind)
    assert not app.exception
    assert not app.error
    assert app.title[0].value.startswith(f"{kind.capitalize()} of ")


def test_versions_are_listed_with_what_they_grew(versioned: DataService, open_page: Open):
    app = open_page("data", of=GROWN)
    table = versions(app)
    assert list(table["revision"]) == [v.revision for v in versioned.versions(GROWN, "data")]
    assert list(table["grown"])[-1] == "first"
    assert all(grown.startswith("+") for grown in list(table["grown"])[:-1])
    assert list(table["state"].iloc[0]) == ["✓ current", "◔ shown"]
    assert list(table["remote"].iloc[5]) == ["✓ there"]
    assert list(table["used"]) == ["nobody"] * 6


def test_a_version_is_compared_with_the_one_before_it_or_any_other(
    versioned: DataService, open_page: Open
):
    found = [v.revision for v in versioned.versions(GROWN, "data")]
    app = open_page("data", of=GROWN)
    assert app.selectbox(key="against").value == found[1]
    assert files(app)["path"].iloc[0] == "data/README.md"
    assert "**5** added" in said(app)
    assert "**2** changed" in said(app)
    app.selectbox(key="against").set_value(found[4]).run()
    assert app.query_params["against"] == found[4]
    assert len(files(app)) == len(versioned.changes(GROWN, found[0], found[4]).files)


def test_the_address_names_version_comparison_and_filters(versioned: DataService, open_page: Open):
    found = [v.revision for v in versioned.versions(GROWN, "data")]
    asked = {"revision": found[2][:6], "against": found[0], "file": "PART-001", "change": "removed"}
    app = open_page("data", of=GROWN, order="by size", **asked)
    assert f"Version {found[2]}" in [s.value for s in app.subheader]
    assert app.selectbox(key="against").value == found[0]
    shown = list(files(app)["path"])
    assert shown == sorted(shown, reverse=True)  # the later parts are the larger ones
    assert all("part-001" in path for path in shown)
    assert set(map(str, files(app)["after"])) == {"–"}
    app.text_input(key="file").set_value("no such").run()
    assert "No file that differs has this in its path" in said(app)


def test_the_first_version_is_compared_with_nothing(versioned: DataService, open_page: Open):
    first = versioned.versions(GROWN, "data")[-1].revision
    app = open_page("data", of=GROWN, revision=first)
    assert app.selectbox(key="against").value is None
    assert "**4** added" in said(app)


def test_a_revision_that_is_not_there_is_said_to_be(versioned: DataService, open_page: Open):
    app = open_page("data", of=GROWN, revision="<b>beef")
    assert not app.exception
    assert "There is no version" in app.info[0].value
    assert "<b>" not in app.info[0].value


@pytest.mark.parametrize(
    "query", [{"of": "nowhere"}, {"of": "../x"}, {"of": GROWN, "kind": "<b>both</b>"}]
)
def test_a_wrong_address_is_a_sentence(
    versioned: DataService, open_page: Open, query: dict[str, str]
):
    app = open_page("data", **query)
    assert not app.exception
    assert app.error
    assert "<b>" not in app.error[0].value


def test_a_list_of_files_that_is_not_here_says_to_fetch_it(
    versioned: DataService, home: Home, open_page: Open
):
    shutil.rmtree(home.root / "dvc" / "cache")
    app = open_page("data", of=GROWN)
    assert not app.exception
    assert "Fetch the version" in app.error[0].value


def test_the_other_kind_is_a_click_away_and_forgets_the_version(
    versioned: DataService, open_page: Open
):
    found = versioned.versions(GROWN, "data")[2].revision
    app = open_page("data", of=GROWN, revision=found)
    app.segmented_control(key="kind").set_value("models").run()
    assert app.title[0].value == r"Models of LoRA fine\-tuning"
    assert not app.info
    assert len(versions(app)) == 2


def test_a_project_that_lists_none_is_told_what_to_write(versioned: DataService, open_page: Open):
    app = open_page("data", of=LISTLESS)
    assert "The project lists no data" in said(app)
    assert 'data = ["data/"]' in said(app)


def test_a_project_without_a_version_is_told_how_to_make_one(
    versioned: DataService, open_page: Open
):
    app = open_page("data", role="operator", of=NEW)
    assert "No version of data yet" in said(app)
    assert f"mlops data add {NEW}" in said(app)
    assert not app.button(key="data-add").disabled


def test_what_others_share_is_shown_with_whose_it_is(versioned: DataService, open_page: Open):
    app = open_page("data", role="operator", of=NEW)
    told = said(app)
    shared = versioned.versions(CHANGED, "data")
    assert f"**{CHANGED}** shares 2 versions of data with this project" in told
    app = open_page("data", role="operator", of=NEW, revision=shared[0].revision)
    assert f"Version {shared[0].revision}" in [s.value for s in app.subheader]
    assert {button.key for button in app.button} >= {"data-checkout"}
    assert "data-push" not in {button.key for button in app.button}


def test_with_whom_it_shares_is_shown_and_an_approver_may_stop_it(
    versioned: DataService, open_page: Open
):
    app = open_page("data", role="operator", of=CHANGED)
    assert f"**{NEW}** may check out every version of data" in said(app)
    assert app.button(key=f"data-unshare:{NEW}").disabled


# Who uses a version


@pytest.fixture
def used(versioned: DataService) -> Callable[[], str]:
    """Let nine runs of the newest version have trained, and register one; return its revision."""

    def made() -> str:
        revision = versioned.versions(GROWN, "data")[0].revision
        tags = {"mlops.data.revision": revision}
        seed.tagged(Settings().mirror_url, GROWN, 9, tags)
        return revision

    return made


def test_users_are_counted_and_linked(
    versioned: DataService, used: Callable[[], str], open_page: Open
):
    open_page("data")
    revision = used()
    app = open_page("data", of=GROWN, part="Used by")
    assert versions(app)["used"].iloc[0] == "9 runs, 1 model version"
    told = said(app)
    assert "tagged-0" in told
    assert "All 9 runs" in told
    assert "lora-finetuning version 7" in told
    link = next(one for one in app.get("page_link") if "All 9 runs" in one.proto.label)
    assert f"mlops.data.revision+%3D+{revision}" in link.proto.query_string


def test_a_run_and_a_registered_version_lead_to_their_data(
    versioned: DataService, used: Callable[[], str], open_page: Open
):
    open_page("data")
    revision = used()
    run = open_page("run", run=seed.tagged_id(0), part="Environment")
    model = open_page("model", of=GROWN, model=GROWN, version="7")
    for app in (run, model):
        assert not app.exception
        link = next(one for one in app.get("page_link") if revision in one.proto.label)
        assert f"revision={revision}" in link.proto.query_string
        assert f"of={GROWN}" in link.proto.query_string
