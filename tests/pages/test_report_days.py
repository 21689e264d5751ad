"""A report of days that somebody chooses, from the dialog of a page."""

from collections.abc import Callable
from datetime import date

from dashboard import state
from tests.pages.conftest import Open, words

CLIP = "clip-finetuning"


def test_a_report_of_chosen_days_is_asked_for_with_both_days_whole(
    open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("report-make")
    app = open_page("project", id=CLIP)
    app.selectbox(key="report-period").select("Days of your choice").run()
    app.date_input(key="report-days").set_value((date(2025, 9, 1), date(2025, 9, 30))).run()
    assert not app.exception
    assert "2025-09-01 00:00 UTC until 2025-10-01 00:00 UTC" in words(app).replace("\\", "")
    app.button(key="acting-do").click().run()
    record = state.executor().history()[0]
    assert (record.kind, record.project, record.state) == ("report-make", CLIP, "pending")
    assert record.title == f"Report of {CLIP}, 2025-09-01 to 2025-10-01"


def test_while_only_the_first_day_is_chosen_it_is_that_day(
    open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("report-make")
    app = open_page("project", id=CLIP)
    app.selectbox(key="report-period").select("Days of your choice").run()
    app.date_input(key="report-days").set_value((date(2025, 9, 1),)).run()
    assert not app.exception
    assert "2025-09-01 00:00 UTC until 2025-09-02 00:00 UTC" in words(app).replace("\\", "")
