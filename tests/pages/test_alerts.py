"""The page of alerts, as the app draws it over a journal with alerts in every state."""

import re
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.alerts import acting, links
from dashboard.components import actions
from services.alerting import asking, channels, delivery, outbox, store
from services.alerting.models import Alert, Channel, Message
from services.errors import JournalError
from services.home import Home
from services.retraining import store as retrainings
from tests import alerts_seed as seed
from tests.alerts_seed import CLIP, DISK, DRIFT, ENDPOINT, ENGINE, GONE, LORA, OVER, RUN, WILD
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE
from tests.services.retraining.things import evidence, proposal

_NUMBER = re.compile(r'href="/alerts\?[^"]*alert=(\d+)"')
VIEWS = ("inbox", "timeline", "silences", "channels", "history")


@pytest.fixture
def scene(home: Home, signed_in: Callable[..., str]) -> Callable[..., dict[str, Alert]]:
    """Lay alerts of every state into the journal, for a person; return them by key."""

    def laid(role: str = "operator", projects: tuple[str, ...] | None = None) -> dict[str, Alert]:
        signed_in(role, projects)
        return seed.fill(state.journal(), home)

    return laid


def rows(app: AppTest) -> list[str]:
    """The numbers of the alerts of the inbox in order."""
    found = (_NUMBER.search(str(one.value)) for one in app.get("html"))
    return [one[1] for one in found if one]


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_each_view_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, scene: Callable[..., dict[str, Alert]], role: str, view: str, mirror: str
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
    scene: Callable[..., dict[str, Alert]],
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


# The inbox


def test_what_nobody_looks_after_comes_first_the_worst_of_it_and_what_is_quiet_not_at_all(
    scene: Callable[..., dict[str, Alert]], open_page: Open
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
    scene: Callable[..., dict[str, Alert]], open_page: Open
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
    scene: Callable[..., dict[str, Alert]], open_page: Open, query: dict[str, str], keys: list[str]
):
    found = scene()
    mirror = "full" if "project" in query else "empty"  # which knows no project
    app = open_page("alerts", role="operator", mirror=mirror, **query)
    assert rows(app) == [str(found[key].id) for key in keys]


def test_what_fits_nothing_says_how_to_look_wider(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    scene()
    app = open_page("alerts", role="operator", find="<img>%_")
    assert rows(app) == []
    assert "No alert has what is looked for" in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_not_act_is_told_why(
    scene: Callable[..., dict[str, Alert]], open_page: Open, role: str
):
    found = scene(role)
    app = open_page("alerts", role=role, mirror="empty")
    acknowledge = app.button(key=f"alert-ack-{found[DRIFT].id}")
    assert acknowledge.disabled == (role == "viewer")
    if role == "viewer":
        assert "takes the role operator" in acknowledge.help
    assert app.button(key=f"alert-close-{found[GONE].id}").disabled == (role == "viewer")
    assert f"alert-close-{found[DRIFT].id}" not in {one.key for one in app.button}


def test_while_the_controller_is_away_alerts_stay_and_nothing_can_be_done(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    found = scene()
    app = open_page("alerts", role="operator", mirror="none")
    assert str(found[DRIFT].id) in rows(app)
    assert app.button(key=f"alert-ack-{found[DRIFT].id}").disabled
    overview = open_page("overview", role="operator", mirror="none")
    assert "The inputs of lora-finetuning drifted" in said(overview)


def test_a_person_of_one_project_sees_its_alerts_alone(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
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


def test_what_people_and_engines_wrote_is_drawn_letter_by_letter(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
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


# One alert


def test_the_story_of_an_alert_is_told_in_the_order_of_time(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    found = scene()
    app = open_page("alerts", role="viewer", mirror="empty", alert=str(found[RUN].id))
    assert not app.exception
    told = said(app)
    assert "Out of memory at step 412." in told
    story = next(str(one.value) for one in app.get("html") if 'role="list"' in str(one.value))
    places = [story.index(word) for word in ("It fired", "Arrived", "Acknowledged")]
    assert places == sorted(places)
    assert "ops, that it fires; it arrived after 1.2 s" in told
    assert "ben: I take less of a batch." in told
    assert "What it said" in story
    assert "The run" in said_links(app)
    assert "Its lineage" in said_links(app)
    assert found[RUN].thread in told


def test_the_detail_says_what_explains_it_and_what_keeps_it_quiet(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    found = scene()
    app = open_page("alerts", mirror="empty", alert=str(found[ENDPOINT].id))
    assert "Explained by: Ray Serve is down" in said_links(app)
    app = open_page("alerts", mirror="empty", alert=str(found[DISK].id))
    assert "Silenced by ann until" in said(app)
    assert "The disk is being grown" in said(app)
    app = open_page("alerts", mirror="empty", alert=str(found[DRIFT].id))
    assert "age: effect 0.62, from 0.1 on it counts" in said(app)
    app = open_page("alerts", mirror="empty", alert=str(found[OVER].id))
    assert "Run baseline-2 finished." in said(app)
    assert not [one for one in app.button if str(one.key).startswith("alert-")]


@pytest.mark.parametrize("number", ["99999", "0", "x", "9" * 40, "-1"])
def test_a_number_of_nothing_is_a_sentence_and_what_is_none_is_the_inbox(
    scene: Callable[..., dict[str, Alert]], open_page: Open, number: str
):
    scene()
    app = open_page("alerts", mirror="empty", alert=number)
    assert not app.exception
    if number in {"99999", "0"}:
        assert "There is no alert" in app.error[0].value
    else:
        assert app.title[0].value == "Alerts"


def test_links_of_alerts_lead_to_pages_that_are_there(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    found = scene("admin")
    app = open_page("alerts", role="admin", mirror="empty", alert=str(found[ENGINE].id))
    assert "Engines and disks" in said_links(app)
    app = open_page("alerts", mirror="empty", alert=str(found[DRIFT].id))
    assert any(label in said_links(app) for label in ("The verdict", "The deployment"))
    app = open_page("alerts", mirror="empty", alert=str(found[WILD].id))
    assert "javascript" not in said_links(app)


def test_the_lineage_of_an_alert_of_drift_is_its_own(scene: Callable[..., dict[str, Alert]]):
    told = scene()[DRIFT]
    way = links.origin(told)
    assert way is not None
    assert way.params == {"id": f"deployment:{LORA}/{LORA}:2"}
    way = links.origin(replace(told, labels={**told.labels, "verdict": "v1"}))
    assert way is not None
    assert way.params == {"id": f"alert:{told.id}"}


def test_the_story_tells_of_the_retraining_that_answers_it(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    alert = scene()[DRIFT]
    at = time.time()
    draft = proposal(
        0,
        project=LORA,
        model=LORA,
        alert_id=alert.id,
        created_at=at,
        evidence=(evidence(alert.id),),
    )
    retrainings.put(state.journal(), draft)
    told = said(open_page("alerts", mirror="empty", alert=str(alert.id)))
    assert "Retraining 1 is open: 3 of 20 columns drifted." in told
    assert f"monitoring?deployment={LORA}.{LORA}&amp;part=retraining" in told


def test_who_may_not_open_a_page_is_led_to_what_everybody_sees(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    found = scene("viewer")
    app = open_page("alerts", mirror="empty", alert=str(found[ENGINE].id))
    assert "Engines and disks" not in said_links(app)
    assert "Engines" in said_links(app)


# Acting


@contextmanager
def wishing(monkeypatch: pytest.MonkeyPatch, what: acting.What, *alerts: Alert):
    """Draw the dialog of a wish in the page: AppTest reruns no dialog alone."""
    from dashboard.components import several

    monkeypatch.setattr(acting, "wished", lambda: (what, tuple(one.id for one in alerts)))
    monkeypatch.setattr(actions, "confirm", lambda proposal, **_: actions._dialog(proposal))
    monkeypatch.setattr(several, "confirm", lambda wish, found, **_: several.dialog(wish, found))
    yield


def test_an_operator_acknowledges_with_a_note(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "ack", found[DRIFT]):
        app = open_page("alerts", role="operator", mirror="empty")
        assert "Nobody is reminded of" in said(app)
        app.text_input(key="alert-note").input("I look").run()
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    done = store.alert(state.journal(), found[DRIFT].id)
    assert (done.owner, done.note) == ("mira", "I look")


def test_an_operator_silences_all_of_a_kind_and_sees_what_that_covers(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "silence", found[DRIFT]):
        app = open_page("alerts", role="operator", mirror="full")
        assert app.button(key="acting-do").disabled
        app.radio(key="alert-silence-what").set_value(
            f"All alerts of the kind drift, of {LORA}"
        ).run()
        app.text_input(key="alert-reason").input("Known.").run()
        assert "It covers 1 open alert" in said(app)
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    newest = store.silences(state.journal())[0]
    assert (newest.pattern, newest.project, newest.owner) == ("drift/*", LORA, "mira")
    assert 6_000 < newest.expires_at - time.time() <= 7_200


def test_an_operator_closes_what_nobody_can_tell_of(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "close", found[GONE]):
        app = open_page("alerts", role="operator", mirror="empty", alert=str(found[GONE].id))
        assert app.button(key="acting-do").disabled
        app.text_input(key="alert-reason").input("The workflow was deleted.").run()
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    monkeypatch.setattr(acting, "wished", lambda: None)
    done = store.alert(state.journal(), found[GONE].id)
    assert done.resolution == "mira closed it: The workflow was deleted."
    told = said(open_page("alerts", mirror="as it is", alert=str(found[GONE].id)))
    assert "Closed by a person" in told
    assert "mira: The workflow was deleted." in told


def test_several_are_acknowledged_at_once_each_by_an_action_of_its_own(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    chosen = [found[key] for key in (DRIFT, ENGINE, WILD)]
    app = open_page("alerts", role="operator", mirror="empty")
    app.button(key="alerts-choose").click().run()
    assert "5 alerts chosen" in said(app)
    with wishing(monkeypatch, "ack", *chosen):
        app = open_page("alerts", role="operator", mirror="as it is")
        assert "Acknowledge" in said(app) or app.button(key="several-do")
        app.text_input(key="alert-note").input("All mine").run()
        app.button(key="several-do").click().run()
    assert carry_out() == 3
    owners = {store.alert(state.journal(), one.id).owner for one in chosen}
    assert owners == {"mira"}


def test_a_silence_is_made_by_a_pattern_and_ended(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
):
    scene()
    dialog_open("silence-new")
    app = open_page("alerts", role="operator", mirror="empty", view="silences")
    app.text_input(key="alert-silence-pattern").input("run/*").run()
    app.text_input(key="alert-reason").input("Moving house.").run()
    assert "It covers 2 open alerts" in said(app)
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    made = store.silences(state.journal())[0]
    assert (made.pattern, made.project) == ("run/*", None)


def test_silences_tell_who_why_until_when_and_what_they_cover(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    scene()
    app = open_page("alerts", role="operator", mirror="empty", view="silences")
    told = said(app)
    assert "disk/*" in told
    assert "The disk is being grown" in told
    assert "By ann" in told
    assert "It covers 1 open alert" in told
    assert "Over by now." in told
    ends = [one for one in app.button if str(one.key).startswith("silence-end-")]
    assert len(ends) == 1


# Channels


def test_channels_tell_what_they_are_told_and_how_they_do_and_never_their_address(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    scene("admin")
    app = open_page("alerts", role="admin", mirror="empty", view="channels")
    told = said(app).replace("\u2060", "")
    assert "warning and worse of all projects and the platform" in told
    assert "22:00-07:00 Europe/Berlin only what is critical" in told
    assert "only what nobody acknowledged in time" in told
    assert "The last message arrived" in told
    assert "did not arrive" in told
    assert "The service said 503." in told
    assert seed.SECRET not in told


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_add_and_try_a_channel(
    scene: Callable[..., dict[str, Alert]], open_page: Open, role: str
):
    scene(role)
    app = open_page("alerts", role=role, mirror="empty", view="channels")
    assert app.button(key="channel-new").disabled == (role != "admin")
    assert app.button(key="channel-remove-ops").disabled == (role != "admin")
    assert app.button(key="channel-test-ops").disabled == (role == "viewer")


def test_a_failing_channel_says_why(scene: Callable[..., dict[str, Alert]], open_page: Open):
    scene("admin")
    journal = state.journal()
    message = Message(0, "ops", "test", "info", "Test", "", (), time.time(), "test", "failed", 1,
                      0.0, None, "The service said <b>403</b>.")  # fmt: skip
    outbox.record(journal, message)
    with journal.write() as connection:
        outbox.unwell(connection, "ops", "The service said <b>403</b>.", time.time())
    told = said(open_page("alerts", role="admin", mirror="empty", view="channels"))
    assert "did not arrive" in told
    assert "The service said &lt;b&gt;403" in told


def test_an_admin_adds_a_channel_and_its_address_is_kept_at_that_moment_alone(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    home: Home,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: "slack")
    before = set(home.secrets.glob("alert-channel-*"))
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    app.text_input(key="channel-name").input("team").run()
    app.text_input(key="channel-address").input(f"slack://{seed.SECRET}/b/c").run()
    assert set(home.secrets.glob("alert-channel-*")) == before
    app.multiselect(key="channel-projects").set_value([LORA]).run()
    app.text_input(key="channel-quiet").input("22:00-07:00").run()
    app.button(key="acting-do").click().run()
    assert not app.error
    (kept,) = set(home.secrets.glob("alert-channel-*")) - before
    assert kept.stat().st_mode & 0o777 == 0o600
    assert carry_out() == 1
    made = channels.channel(state.journal(), "team")
    assert (made.service, made.projects, made.created_by) == ("slack", (LORA,), "mira")
    assert made.quiet is not None
    assert channels.address(home, made) == f"slack://{seed.SECRET}/b/c"
    assert seed.SECRET not in said(app)
    database = (home.databases / "journal.sqlite").read_bytes()
    assert seed.SECRET.encode() not in database


def test_a_refused_channel_leaves_no_address_behind(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    home: Home,
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: "slack")
    before = set(home.secrets.glob("alert-channel-*"))
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    app.text_input(key="channel-name").input("team").run()
    app.text_input(key="channel-address").input("slack://a/b/c").run()

    def refuses(*_: object, **__: object) -> None:
        raise JournalError("The journal could not be written (full).", "Make room.")

    monkeypatch.setattr(state.executor(), "submit", refuses)
    app.button(key="acting-do").click().run()
    assert any("could not be written" in one.value for one in app.error)
    assert set(home.secrets.glob("alert-channel-*")) == before


def test_a_bad_name_or_bad_hours_are_sentences(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: "slack")
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    app.text_input(key="channel-name").input("No Name").run()
    app.text_input(key="channel-address").input("slack://a/b/c").run()
    assert "is no name of a channel" in app.error[0].value
    assert app.button(key="acting-do").disabled
    app.text_input(key="channel-name").input("team").run()
    app.text_input(key="channel-quiet").input("26:00-7").run()
    assert "are no quiet hours" in app.error[0].value


def test_the_test_button_tells_the_answer(
    scene: Callable[..., dict[str, Alert]],
    open_page: Open,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("operator")
    sent: list[str] = []

    def deliver(channel: Channel, address: str, message: Message) -> None:
        sent.append(f"{channel.name} {address} {message.what}")

    monkeypatch.setattr(delivery, "deliver", deliver)
    dialog_open("channel-test-ops")
    app = open_page("alerts", role="operator", mirror="empty", view="channels")
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    assert len(sent) == 1
    app.run()
    assert "it arrived after" in said(app)
    assert seed.SECRET not in said(app)


# Timeline and history


def test_the_timeline_has_a_lane_a_project_and_kind_and_says_what_explains_what(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    found = scene()
    app = open_page("alerts", mirror="empty", view="timeline", range="6h")
    told = said(app)
    assert f"{LORA} <span" in told
    assert "drift · 1 alert" in told
    assert "endpoint · 1 alert" in told
    assert f"/alerts?range=6h&amp;alert={found[DRIFT].id}" in told
    assert "explains 1 alert" in told
    assert "What explains what" in told


def test_the_timeline_keeps_to_the_project(scene: Callable[..., dict[str, Alert]], open_page: Open):
    scene()
    told = said(open_page("alerts", mirror="full", view="timeline", range="1h", project=CLIP))
    assert "endpoint · 1 alert" in told
    assert "drift" not in told


def test_history_tells_how_it_ended_who_looked_after_it_and_who_was_told(
    scene: Callable[..., dict[str, Alert]], open_page: Open
):
    scene()
    app = open_page("alerts", mirror="empty", view="history")
    told = said(app)
    assert "Run baseline-2 finished." in told
    assert "I take less of a batch." in told
    assert ">ops<" in told
    told = said(open_page("alerts", mirror="as it is", view="history", find="baseline-2"))
    assert "Run baseline-1 failed" in told
    assert "Ray Serve is down" not in told
    told = said(open_page("alerts", mirror="as it is", view="history", before="1"))
    assert "Nothing like this fired" in told
