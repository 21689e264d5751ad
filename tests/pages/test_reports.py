"""Reports from pages: the menu in every role, its dialogs, and the route of the files."""

import time
from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboard import state
from dashboard.report_files import SHELF
from dashboard.routes import cookie_name
from dashboard.security import HEADERS, SecurityHeaders
from services.alerting import channels
from services.alerting.models import Channel
from services.home import Home
from services.reports import kept, schedules
from services.reports.kept import Kept
from services.reports.schedules import Schedule
from tests.dashboard.asking import ask
from tests.pages.conftest import Open, said, words
from tests.pages.roles import EVERY_ROLE

ROUTED = Starlette(routes=SHELF.routes, middleware=[Middleware(SecurityHeaders)])
NOW = time.time()
CLIP = "clip-finetuning"


def keep(home: Home, project: str | None, by: str = "ana", schedule: str = "") -> Kept:
    name = kept.new_name(NOW)
    one = Kept(name, project, NOW - 7 * 86_400, NOW, NOW, by, schedule, 6, ("Data",))
    kept.keep(home, one, f"<p>{project}".encode())
    return one


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_everybody_makes_one_and_who_may_sets_the_calendar(open_page: Open, role: str):
    for page, query in (("overview", {}), ("project", {"id": CLIP})):
        app = open_page(page, role=role, **query)
        assert not app.exception
        assert not app.button(key="report-make").disabled
        assert app.button(key="report-schedule").disabled == (role == "viewer")
        assert "None yet" in words(app)


def test_who_sees_some_projects_makes_none_of_the_toolkit(open_page: Open, home: Home):
    keep(home, None)
    app = open_page("overview", role="approver", projects=(CLIP,))
    assert app.button(key="report-make").disabled
    assert "concerns the whole platform" in app.button(key="report-make").help
    assert "/reports/" not in said(app)
    mine = open_page("overview", role="approver", projects=(CLIP,), project=CLIP)
    assert not mine.button(key="report-make").disabled


def test_while_nobody_carries_anything_out_none_is_made(open_page: Open):
    app = open_page("overview", role="admin", mirror="none")
    assert app.button(key="report-make").disabled


def test_those_that_are_kept_are_listed_where_they_belong(open_page: Open, home: Home):
    whole, mine = keep(home, None, "<b>ana</b>"), keep(home, CLIP, "schedule", f"{CLIP}/week")
    overview = said(open_page("overview"))
    assert f"({whole.link})" in overview
    assert f"({whole.link}?download=1)" in overview
    assert mine.link not in overview
    assert "&lt;b&gt;ana" in overview
    assert "1 part missing" in overview.replace("\u00a0", " ")
    project = said(open_page("project", id=CLIP))
    assert f"({mine.link})" in project
    assert "by the calendar" in project
    assert whole.link not in project


def test_made_now_it_is_asked_for_with_its_period(
    open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("report-make")
    app = open_page("project", id=CLIP)
    app.selectbox(key="report-period").select("4w").run()
    assert "compared with the time before" in words(app)
    app.button(key="acting-do").click().run()
    record = state.executor().history()[0]
    assert (record.kind, record.project, record.state) == ("report-make", CLIP, "pending")
    assert record.title == f"Report of {CLIP}, 4w"


def test_when_it_is_made_it_can_be_downloaded(
    open_page: Open, dialog_open: Callable[[str], None], home: Home,
    carry_out: Callable[[], int],
):  # fmt: skip
    dialog_open("report-make")
    app = open_page("project", id=CLIP)
    app.button(key="acting-do").click().run()
    end = time.monotonic() + 60
    while not carry_out():
        assert time.monotonic() < end
        time.sleep(0.2)
    app.run()
    assert not app.exception
    (made,) = kept.kept(home, (CLIP,))
    assert app.success[0].value.endswith(".")
    assert made.name in app.success[0].value.replace("\\", "")
    (button,) = app.get("download_button")
    assert button.proto.label == "Download"
    assert made.by == "mira"


def test_the_calendar_is_set_with_who_is_told(
    open_page: Open, dialog_open: Callable[[str], None], carry_out: Callable[[], int]
):
    dialog_open("report-schedule")
    app = open_page("project", role="operator", id=CLIP)
    channels.put(state.journal(), Channel("ops", "json"))
    channels.put(state.journal(), Channel("others", "json", projects=("lora-finetuning",)))
    app.run()
    assert app.multiselect(key="report-channels").options == ["ops"]
    app.multiselect(key="report-channels").select("ops").run()
    app.selectbox(key="report-every").select("month").run()
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    (found,) = schedules.schedules(state.journal())
    assert (found.project, found.every, found.channels) == (CLIP, "month", ("ops",))
    app = open_page("project", role="operator", id=CLIP)
    assert "On the first of a month" in words(app)
    assert "tells ops" in words(app)
    assert not app.button(key="report-unschedule-month").disabled


def test_what_failed_last_is_told(open_page: Open):
    app = open_page("project", id=CLIP)
    schedules.put(state.journal(), Schedule(CLIP, "day"), NOW)
    schedules._note(
        state.journal(), schedules.schedules(state.journal())[0], trouble="The disk <is> full."
    )
    app.run()
    assert "The last try failed" in words(app)
    assert "The disk &lt;is&gt; full" in words(app)
    assert app.button(key="report-unschedule-day").disabled


# The route


def asked(path: str, cookie: str = "", **headers: str):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        sent["Cookie"] = f"{cookie_name()}={cookie}"
    return ask(ROUTED, "GET", path, headers=sent)


def test_who_is_signed_in_and_sees_the_project_gets_it_in_a_sandbox(
    home: Home, signed_in: Callable[..., str]
):
    one, cookie = keep(home, CLIP), signed_in("viewer", (CLIP,))
    answer = asked(one.link, cookie)
    assert (answer.status_code, answer.text) == (200, f"<p>{CLIP}")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-downloads; default-src 'none'")
    assert policy.count("allow-") == 1
    assert "script-src" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "content-disposition" not in answer.headers
    assert set(HEADERS) <= set(answer.headers)
    saved = asked(f"{one.link}?download=1", cookie)
    assert saved.headers["content-disposition"].startswith(
        f'attachment; filename="report-{CLIP}-20'
    )


def test_nobody_else_gets_it(home: Home, signed_in: Callable[..., str]):
    one, whole = keep(home, CLIP), keep(home, None)
    for cookie in ("", "made up"):
        answer = asked(one.link, cookie)
        assert answer.status_code == 401
        assert CLIP not in answer.text
    cookie = signed_in("admin", ("lora-finetuning",))
    for link in (one.link, whole.link, "/reports/x", "/reports/..%2f..%2fsecrets", "/reports/%00"):
        answer = asked(link, cookie)
        assert answer.status_code == 404
        assert CLIP not in answer.text


def test_a_link_of_an_e_mail_leads_here_once_more(home: Home):
    one = keep(home, CLIP)
    answer = asked(one.link, sec_fetch_site="cross-site")
    assert answer.status_code == 200
    assert f"url={one.link}" in answer.text
    assert CLIP not in answer.text
    odd = asked("/reports/x';%20alert(1)", sec_fetch_site="cross-site")
    assert odd.status_code == 401
    assert "alert" not in odd.text


def test_while_the_journal_cannot_be_read_it_is_a_sentence(
    home: Home, signed_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    from services.errors import JournalError

    one, cookie = keep(home, CLIP), signed_in()

    def fails(*_: object) -> None:
        raise JournalError("The journal <is> locked.", "Wait.")

    monkeypatch.setattr(type(state.access()), "who", fails)
    answer = asked(one.link, cookie)
    assert answer.status_code == 503
    assert "The journal &lt;is&gt; locked." in answer.text
