"""What Evidently found of a deployment's columns, as the app draws it."""

import html
import re
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from dashboard import state
from services.home import Home
from services.monitoring import folder
from services.monitoring.evidently_figures import Column, Found
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore, verdict_id
from tests.monitoring_seed import FEW, LORA
from tests.pages.conftest import Open, said
from tests.pages.monitoring_shown import Laid, drawn, ids, laid, opened

__all__ = ["laid"]
HOSTILE = "input <img src=x> :material/bolt: *bold*"
COLUMNS = (
    Column("empty", "input.empty", "", None, None, None, 285, 0, "Evidently failed on it: empty."),
    Column("mean radius", "input.mean radius", "wasserstein", 1.31, 0.1, True, 285, 2000),
    Column(HOSTILE, "input.mean texture", "wasserstein", 0.25, 0.1, True, 285, 2000),
    Column("output.label", "output.label", "jensenshannon", 0.04, 0.1, False, 285, 2000),
)


@pytest.fixture
def reported(laid: Laid, home: Home) -> Path:
    """Have a report with figures for the newest check; return their file."""
    laid()
    return put(home, COLUMNS)


def put(home: Home, columns: tuple[Column, ...]) -> Path:
    store = VerdictStore(home)
    last = store.check(ids(LORA)[-1])
    at = last[0].computed_at
    name = f"reports/p/m/{verdict_id(at)}.html"
    store.record([one.with_report(name) for one in again(last, at + 1.0)])
    store.close()
    found = Found(at, "0.7.23", columns, {"Accuracy": 0.9}, ("3 more columns are not drawn.",))
    path = (folder.base(home) / name).with_suffix(".columns.json")
    folder.write(path, orjson.dumps(asdict(found)))
    state.st.cache_resource.clear()
    return path


def again(verdicts: tuple[Verdict, ...], at: float) -> list[Verdict]:
    """Return the verdicts of a check as of another."""
    return [replace(one, id=verdict_id(at), computed_at=at) for one in verdicts]


def rows(told: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r"<tr>(.*?)</tr>", told)]


def test_scores_stand_beside_our_verdict(reported: Path, open_page: Open):
    app = opened(open_page, LORA, part="Evidently")
    assert not app.exception
    assert "Evidently calls 2 of 3 columns drifted, and could not compare 1 of 4" in said(app)
    assert "by Evidently 0.7.23, on up to 285 values then and 2,000 now" in said(app)
    assert "Accuracy 0.9" in said(app)
    assert "3 more columns are not drawn" in said(app)
    _, _, radius, _, label = rows(drawn(app))
    assert "column=input.mean+radius" in radius
    for told in ("Wasserstein", "standard deviations", "1.31", ">0.1<", "285<br>2,000"):
        assert told in radius
    assert radius.count("▲ drifted") == 2, "Evidently and the verdict"
    assert "Jensen–Shannon" in label
    assert "✓ not drifted" in label
    (link, *_) = [one.proto for one in app.get("link_button") if "full report" in one.proto.label]
    assert "/monitoring/report/" in link.url


def test_a_column_it_failed_on_says_so_and_the_rest_is_there(reported: Path, open_page: Open):
    app = opened(open_page, LORA, part="Evidently")
    _, failed, *others = rows(drawn(app))
    assert "✕ failed" in failed
    assert "Evidently failed on it: empty." in failed
    assert "not compared" in failed, "no verdict of ours has it"
    assert "column=" not in failed
    assert len(others) == 3


def test_a_hostile_name_is_shown_as_it_is(reported: Path, open_page: Open):
    app = opened(open_page, LORA, part="Evidently")
    assert "<img" not in drawn(app)
    assert html.escape(HOSTILE) in drawn(app)


def test_figures_of_an_earlier_check_are_said_to_be(reported: Path, open_page: Open, home: Home):
    store = VerdictStore(home)
    last = store.check(ids(LORA)[-1])
    store.record([one.with_report(None) for one in again(last, last[0].computed_at + 60.0)])
    store.close()
    state.st.cache_resource.clear()
    app = opened(open_page, LORA, part="Evidently")
    assert "This check has no report: these are the figures of the one of" in said(app)
    assert f"verdict={last[0].id[:15]}" in drawn(app), "its columns are those of that check"


@pytest.mark.parametrize("name", [LORA, FEW])
def test_without_a_report_it_says_how_one_comes(laid: Laid, open_page: Open, name: str):
    laid()
    app = opened(open_page, name, part="Evidently")
    assert not app.exception
    if name == FEW:
        assert "It is shown once there was a check" in said(app)
        return
    assert "No report of Evidently's is kept" in said(app)
    assert f"mlops drift check {LORA} --report" in [one.value for one in app.code]


def test_a_report_of_before_figures_were_kept_is_linked(reported: Path, open_page: Open):
    reported.unlink()
    app = opened(open_page, LORA, part="Evidently")
    assert not app.exception
    assert "was written before its figures were kept beside it" in said(app)
    assert any("full report" in one.proto.label for one in app.get("link_button"))


def test_damaged_figures_are_a_sentence(reported: Path, open_page: Open):
    reported.write_bytes(b"{")
    app = opened(open_page, LORA, part="Evidently")
    assert not app.exception
    assert "cannot be read" in app.error[0].value
    assert any("full report" in one.proto.label for one in app.get("link_button"))


def test_of_many_columns_any_is_found(laid: Laid, open_page: Open, home: Home):
    laid()
    many = [replace(COLUMNS[1], name=f"n{n:02}", own=f"input.n{n:02}") for n in range(59)]
    put(home, tuple(many))
    app = opened(open_page, LORA, part="Evidently")
    assert "40 of 59 columns" in said(app)
    assert "n58" not in drawn(app)
    app = opened(open_page, LORA, part="Evidently", columns="N58")
    assert "n58" in drawn(app)
    assert "n01" not in drawn(app)
    app = opened(open_page, LORA, part="Evidently", columns="nowhere")
    assert "No column is called so" in said(app)
