from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components import notices, status
from services.home import Home
from services.mirror import schema
from services.settings import Settings
from tests.pages.conftest import Open, words
from tests.seed import HOSTILE


def run(script: str) -> AppTest:
    app = AppTest.from_string(script, default_timeout=20).run()
    assert not app.exception
    return app


def test_a_crash_of_a_page_shows_a_number_and_no_traceback(caplog: pytest.LogCaptureFixture):
    app = run(
        "from dashboard.serve import say_it_went_wrong\n"
        "assert say_it_went_wrong(ValueError('the secret inside'))"
    )

    said = app.error[0].value
    assert "fault of its own" in said
    assert "mlops logs dashboard" in said
    assert "secret" not in said
    assert "the secret inside" in caplog.text


def test_an_engine_that_answered_gives_its_value_and_a_silent_one_says_why():
    app = run(
        "from datetime import UTC, datetime\n"
        "from dashboard.components.notices import value_or_notice\n"
        "from services.reading import Down, Live\n"
        "import streamlit as st\n"
        "at = datetime.now(UTC)\n"
        "st.text(value_or_notice(Live('seven', at)))\n"
        "st.text(value_or_notice(Down('Ray Serve', 'Nothing listens.', 'Run `mlops up`.', at)))\n"
    )

    assert [text.value for text in app.text] == ["seven", "None"]
    assert "Ray Serve has not answered for a moment" in app.warning[0].value
    assert "`mlops up`" in app.warning[0].value


def test_a_filters_error_points_at_the_character():
    app = run(
        "from dashboard.components.notices import problem\n"
        "from services.errors import FilterError\n"
        "problem(FilterError('A value is missing.', 'metrics.x >', 11))\n"
    )

    assert app.code[0].value == "metrics.x >\n           ^"


def test_hostile_text_is_drawn_as_typed_everywhere():
    app = run(
        "from dashboard.components import notices, status, tiles\n"
        "from services.errors import MlopsError\n"
        "from tests.seed import HOSTILE\n"
        "notices.problem(MlopsError(HOSTILE, HOSTILE))\n"
        "notices.empty(HOSTILE, 'x')\n"
        "tiles.tile(HOSTILE, '1')\n"
        "status.badge('failed', HOSTILE)\n"
    )

    said = words(app) + app.metric[0].label
    assert "<img" not in said
    assert "**bold**" not in said
    assert ":material/home:" not in said
    assert "$x$" not in said
    assert HOSTILE not in said


@pytest.mark.parametrize(
    ("now", "before", "goal", "colour"),
    [
        (0.9, 0.8, "max", "green"),
        (0.8, 0.9, "max", "red"),
        (0.9, 0.8, "min", "red"),
        (0.8, 0.9, "min", "green"),
        (0.9, 0.8, None, "gray"),
    ],
)
def test_a_tiles_change_is_coloured_by_what_is_better(
    now: float, before: float, goal: str | None, colour: str
):
    app = run(
        "from dashboard.components import tiles\n"
        f"change = tiles.change({now}, {before}, {goal!r})\n"
        "tiles.tile('x', '1', delta=change, versus='before')\n"
    )

    assert app.metric[0].proto.color == app.metric[0].proto.MetricColor.Value(colour.upper())


def test_what_was_not_measured_says_so_and_is_no_zero():
    app = run("from dashboard.components import tiles\ntiles.tile('Energy', None, why='No chip.')")

    assert app.metric[0].value == "not reported"
    assert app.metric[0].help == "No chip\\."


def test_every_state_has_a_shape_and_a_word_besides_its_colour():
    for state in ("running", "finished", "failed", "lost", "live", "down", "done", "denied"):
        shown = status.look(state)
        assert shown.icon != "help" or state == "lost"
        assert state in status.inline(state)
        assert status.cell(state)[0].endswith(state)
        assert not status.cell(state)[0][0].isalnum()


def test_a_state_nobody_knows_is_grey_with_its_word():
    assert status.look("odd").colour == "gray"
    assert status.cell("odd") == ["○ odd"]


@pytest.mark.parametrize(
    ("page", "first"), [("1", 0), ("3", 100), ("0", 0), ("-2", 0), ("x", 0), ("9" * 30, 0)]
)
def test_a_page_number_of_the_address_is_a_row_or_the_first(page: str, first: int):
    app = AppTest.from_string(
        "from dashboard.components import tables\nimport streamlit as st\nst.text(tables.offset())"
    )
    app.query_params["page"] = page

    assert app.run().text[0].value == str(first)


def test_the_pager_says_which_rows_of_how_many():
    app = AppTest.from_string(
        "from dashboard.components import tables\ntables.pager(1234, noun='run')\n"
        "tables.pager(0, noun='model', key='other')"
    )
    app.query_params["page"] = "2"
    app.run()

    assert [c.value for c in app.caption] == ["51–100 of 1,234 runs", "No models"]


@pytest.mark.parametrize(
    ("hint", "drawn"),
    [
        ("Run `mlops up` first.", "Run `mlops up` first\\."),
        ("`a`;`b` c", "`a`;`b` c"),
        ("open ` tick **b**", r"open  tick \*\*b\*\*"),
        (
            "run x`\n\n[in](https://e.example)\n\n` failed",
            "run x` [in](https://e.example) ` failed",
        ),
        ("```[in](https://e.example)`z", "`[in](https://e.example)`z"),
        ("", ""),
    ],
)
def test_a_hint_keeps_its_code_and_its_blanks(hint: str, drawn: str):
    assert notices.advice(hint) == drawn


def test_without_the_controller_one_notice_says_it_all(open_page: Open, home: Home):
    now = datetime.now(UTC)
    open_page("projects")
    long_ago = int((now - timedelta(minutes=3)).timestamp() * 1000)
    engine, _ = schema.prepare(Settings().mirror_url)
    with engine.begin() as connection:
        connection.execute(schema.engines.update().values(last_sync_ms=long_ago))
    engine.dispose()

    app = open_page("experiments", mirror="as it is")

    assert len(app.warning) == 1
    assert "Controller has not been heard of for 3 min" in app.warning[0].value
    assert "`mlops restart controller` starts it again" in app.warning[0].value
