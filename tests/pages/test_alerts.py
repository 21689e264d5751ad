"""The page of alerts and its inbox, over a journal with alerts in every state."""

from collections.abc import Callable

import pytest

from dashboard import state
from services.alerting import asking, channels, store
from services.errors import JournalError
from tests import alerts_seed as seed
from tests.alerts_seed import CLIP, DISK, DRIFT, ENDPOINT, ENGINE, GONE, LORA, RUN, WILD
from tests.pages.alerts_shown import VIEWS, Scene, rows, scene
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE

__all__ = ["scene"]


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_each_view_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, scene: Scene, role: str, view: str, mirror: str
):
    scene(role)
    app = open_page("alerts", role=role, mirror=mirror, view=view)
    assert not app.exception
    assert app.title[0].value == "Alerts"


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("view", VIEWS)
def test_with_nothing_in_it_each_view_says_what_would_show(open_page: Open, role: str, view: str):
    app = open_page("alerts", role=role, mirror="empty", view=view)
    assert not app.exception
    expected = {
        "inbox": "Nothing needs you", "timeline": "No alert", "silences": "Nothing is kept quiet",
        "channels": "Nobody is told of alerts", "history": "No alert",
    }  # fmt: skip
    assert expected[view] in said(app)
    assert "mlops alerts" in said(app)


@pytest.mark.parametrize("view", VIEWS)
def test_a_journal_that_is_busy_is_a_sentence(
    scene: Scene,
    open_page: Open,
    monkeypatch: pytest.MonkeyPatch,
    view: str,
):
    scene()

    def fails(*_: object, **__: object) -> None:
        raise JournalError("The journal could not be used (locked).", "Try again.")

    for module, name in (
        (asking, "places"), (asking, "lasting"), (asking, "history"), (store, "silences"),
        (channels, "channels"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, fails)
    app = open_page("alerts", role="operator", view=view)
    assert not app.exception
    assert any("could not be used" in one.value for one in app.error)


def test_what_nobody_looks_after_comes_first_the_worst_of_it_and_what_is_quiet_not_at_all(
    scene: Scene, open_page: Open
):
    found = scene()
    app = open_page("alerts", role="operator", mirror="empty")
    wanted = [ENGINE, DRIFT, WILD, GONE, RUN]
    assert rows(app) == [str(found[key].id) for key in wanted]
    told = said(app)
    assert "ben looks after it: I take less of a batch." in told
    assert "nobody can tell now: Airflow does not answer." in told
    assert "Likely cause" in told
    assert "41 % of the model" in told
    assert "told ops" in told
    assert "1 silenced" in told
    assert "1 explained by others" in told
    app = open_page("alerts", role="operator", mirror="empty", quiet="true")
    assert rows(app)[-2:] == [str(found[key].id) for key in (ENDPOINT, DISK)]
    assert "explained by Ray Serve is down" in said(app)
    assert "silenced by ann until" in said(app)


def test_needs_that_are_no_alerts_stand_among_them_and_none_is_told_twice(
    scene: Scene, open_page: Open
):
    scene()
    told = said(open_page("alerts", role="approver", mirror="full"))
    assert "passes all gates" in told  # a decision
    assert "has no closing quote" in told  # a project that is broken
    assert "**CLIP fine-tuning**" not in told  # its failed run is an alert
    told = said(open_page("alerts", role="approver", mirror="as it is", project=CLIP))
    assert told.count("Run lora-r8-3 failed") == 1
    overview = said(open_page("overview", role="approver", mirror="as it is", project=CLIP))
    assert "Run lora-r8-3 failed" in overview
    assert "Run lora-r8-3 (lora-r8) failed on studio" in overview
    assert ":red-badge[:material/cancel: failed] **CLIP fine-tuning**" not in overview


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"severity": "critical"}, [ENGINE, DRIFT]),
        ({"kind": "workflow"}, [GONE]),
        ({"find": "step 412"}, [RUN]),
        ({"find": "OUT OF MEMORY"}, [ENGINE, RUN]),
        ({"project": CLIP}, [RUN]),
    ],
)
def test_words_severities_kinds_and_the_project_narrow_it(
    scene: Scene, open_page: Open, query: dict[str, str], keys: list[str]
):
    found = scene()
    mirror = "full" if "project" in query else "empty"  # which knows no project
    app = open_page("alerts", role="operator", mirror=mirror, **query)
    assert rows(app) == [str(found[key].id) for key in keys]


def test_what_fits_nothing_says_how_to_look_wider(scene: Scene, open_page: Open):
    scene()
    app = open_page("alerts", role="operator", find="<img>%_")
    assert rows(app) == []
    assert "No alert has what is looked for" in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_not_act_is_told_why(scene: Scene, open_page: Open, role: str):
    found = scene(role)
    app = open_page("alerts", role=role, mirror="empty")
    acknowledge = app.button(key=f"alert-ack-{found[DRIFT].id}")
    assert acknowledge.disabled == (role == "viewer")
    if role == "viewer":
        assert "takes the role operator" in acknowledge.help
    assert app.button(key=f"alert-close-{found[GONE].id}").disabled == (role == "viewer")
    assert f"alert-close-{found[DRIFT].id}" not in {one.key for one in app.button}


def test_while_the_controller_is_away_alerts_stay_and_nothing_can_be_done(
    scene: Scene, open_page: Open
):
    found = scene()
    app = open_page("alerts", role="operator", mirror="none")
    assert str(found[DRIFT].id) in rows(app)
    assert app.button(key=f"alert-ack-{found[DRIFT].id}").disabled
    overview = open_page("overview", role="operator", mirror="none")
    assert "The inputs of lora-finetuning drifted" in said(overview)


def test_a_person_of_one_project_sees_its_alerts_alone(scene: Scene, open_page: Open):
    found = scene("operator", (CLIP,))
    app = open_page("alerts", role="operator", projects=(CLIP,), mirror="empty", quiet="true")
    assert rows(app) == [str(found[RUN].id), str(found[ENDPOINT].id)]
    assert "explained by another alert" in said(app)
    for view in VIEWS:
        app = open_page("alerts", role="operator", projects=(CLIP,), mirror="as it is", view=view)
        told = said(app) + said_links(app)
        assert "Ray Serve is down" not in told
        assert LORA not in told
    for key in (DRIFT, ENGINE):
        app = open_page("alerts", role="operator", projects=(CLIP,), mirror="as it is",
                        alert=str(found[key].id))  # fmt: skip
        assert "There is no alert" in app.error[0].value
    app = open_page("alerts", role="operator", projects=(CLIP,), mirror="as it is",
                    alert=str(found[ENDPOINT].id))  # fmt: skip
    assert not app.error
    assert "which you do not see" in said(app)


def test_what_people_and_engines_wrote_is_drawn_letter_by_letter(scene: Scene, open_page: Open):
    found = scene()
    pages = [{"view": view} for view in VIEWS] + [{"alert": str(found[WILD].id)}]
    for query in pages:
        app = open_page("alerts", role="admin", mirror="empty", **query)
        assert not app.exception
        told = said(app)
        assert "<img" not in told
        assert 'javascript:alert(1)"' not in told
    assert "onerror" in said(open_page("alerts", role="admin", mirror="empty"))
    told = said(open_page("overview", role="admin", mirror="empty"))
    assert "<img" not in told
    assert "onerror" in told


def test_a_storm_of_ten_thousand_is_a_page_of_twenty(
    open_page: Open, signed_in: Callable[..., str]
):
    signed_in("operator")
    seed.storm(state.journal(), 10_000)
    app = open_page("alerts", role="operator", mirror="empty", page="200")
    assert len(rows(app)) == 20
    assert "10,000" in said(app)
    app = open_page("alerts", role="operator", mirror="as it is", page="9999")
    assert len(rows(app)) == 20
    overview = open_page("overview", role="operator", mirror="as it is")
    assert "9,950 more things: to the inbox" in said_links(overview)
