"""The report: its figures against what was written, and the file that is made of them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.actions import history
from services.actions.history import AliasEvent
from services.actions.journal import Journal
from services.cli import mlops
from services.errors import InputError, NotFoundError, PlatformError
from services.home import Home
from services.reports import collecting
from services.reports.html import change, page
from services.reports.models import Asked, Chart, Figure, Report, Section, Table, Window
from services.reports.period import window_of
from services.reports.units import told
from services.settings import Settings
from tests import hardware_seed
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, FEDERATED, LORA
from tests.services.reports.conftest import HOSTILE, Ask, figures, section, table

NOW = datetime.fromtimestamp(seed.NOW + 60, UTC)


def test_every_section_can_be_read_and_every_figure_says_where_it_is_from(ask: Ask):
    report = ask()
    for one in report.sections:
        assert one.missing == ""
        assert all(figure.source for figure in one.figures)
        assert all(each.source for each in (*one.tables, *one.charts))
        assert all(figure.reason for figure in one.figures if figure.value is None)


def test_experiments_are_counted_against_the_period_before(ask: Ask):
    found = figures(ask(), "experiments")
    assert found["Runs"] == (8, 1)
    assert found["Failed"] == (pytest.approx(1 / 8), 0.0)
    assert found["Energy"] == (40.0, 10.0)
    assert found["Median duration"] == (60.0, 60.0)
    chart = section(ask(), "experiments").charts[0]
    assert sum(value or 0 for value in chart.values) == 8
    assert len(chart.days) == len(chart.values) == 8  # seven days touch eight


def test_what_nobody_measured_is_not_known_and_never_0(ask: Ask):
    found = figures(ask(CLIP), "experiments")
    assert found["Energy"] == (None, None)
    assert figures(ask(CLIP), "deployments")["Requests answered"] == (None, None)


def test_models_tell_who_promoted_which(ask: Ask):
    journal = Journal.open(Settings())
    history.record(journal, AliasEvent(LORA, LORA, "champion", 1, "ana", 4, "it is better"))
    journal.close()
    moved = table(ask(), "models", "Who promoted which")
    assert [row[1:] for row in moved] == [(LORA, LORA, "champion", "1", "ana", "it is better")]
    assert figures(ask(), "models")["Versions registered"] == (6, 0)


def test_service_levels_come_from_the_prediction_log(ask: Ask):
    found = figures(ask(), "deployments")
    assert found["Requests"] == (3, 0)
    assert found["Requests answered"] == (1.0, None)
    rows = table(ask(), "deployments", "Versions and how they answered")
    assert (f"{LORA}.{LORA}", "1", "3", "0", "100.000 %") in [row[:5] for row in rows]
    assert (f"{CLIP}.{CLIP}", "–", "0") in [row[:3] for row in rows]


def test_marks_and_broken_links_are_told(ask: Ask):
    assert figures(ask(), "activity")["Broken links now"] == (5, None)


def test_machines_are_told_with_what_they_do_not_say(ask: Ask, home: Home):
    hardware_seed.fill(home.telemetry, minutes=5)
    rows = table(ask(), "hardware", "Machines")
    assert len(rows) == figures(ask(), "hardware")["Machines"][0]
    assert any("Apple" in row[1] for row in rows)
    assert all(row[3] for row in rows)


def test_data_versions_of_the_period(ask: Ask):
    assert figures(ask(), "data")["Versions made"] == (4, 0)
    assert figures(ask(CLIP), "data")["Versions made"] == (1, 0)


def test_a_projects_report_names_no_other(ask: Ask):
    text = page(ask(LORA))
    assert CLIP not in text
    assert FEDERATED not in text
    with pytest.raises(NotFoundError):
        ask("nobody")


def test_a_section_that_cannot_be_read_says_so_and_the_rest_goes_on(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
):
    def fails(_: Asked) -> Section:
        raise PlatformError("The prediction log cannot be read.", "See who owns it.")

    sections = [(k, t, fails if k == "deployments" else f) for k, t, f in collecting.SECTIONS]
    monkeypatch.setattr(collecting, "SECTIONS", sections)
    report = ask()
    assert "cannot be read" in section(report, "deployments").missing
    assert figures(report, "experiments")["Runs"] == (8, 1)
    assert "Could not be read." in page(report)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.found: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        if tag not in {"meta", "br"}:
            self.opened.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def test_the_file_fetches_nothing_runs_nothing_and_is_whole(ask: Ask):
    text = page(ask())
    tags = Tags()
    tags.feed(text)
    assert tags.opened == []
    assert not tags.found & {"script", "iframe", "link", "img"}
    assert all(address.startswith(("#", "data:text/csv;")) for address in tags.addresses)
    assert not re.search(r"url\(|@import|https?://", text)
    assert HOSTILE not in text
    assert "@media print" in text
    assert len(text) < 3_000_000


def test_hostile_names_are_text():
    window = Window(NOW - timedelta(days=1), NOW)
    table = Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE, "")
    chart = Chart(HOSTILE, window.days, (1.0,) * len(window.days), HOSTILE)
    figure = Figure(HOSTILE, None, None, HOSTILE, reason=HOSTILE)
    empty = replace(table, rows=(), empty=HOSTILE)
    one = Section(HOSTILE, HOSTILE, (figure,), (chart,), (table, empty), (HOSTILE,), HOSTILE)
    text = page(Report(HOSTILE, None, window, NOW, (one,)))
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 20


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (Figure("x", 2, 1, "s", better="more"), "▲ up by 100 %, better (was 1)"),
        (Figure("x", 1, 2, "s", better="more"), "▼ down by 50 %, worse (was 2)"),
        (Figure("x", 1, 2, "s", better="less"), "▼ down by 50 %, better (was 2)"),
        (Figure("x", 1, 0, "s"), "▲ up (was 0)"),
        (Figure("x", 1, 1, "s"), "= as before (1)"),
        (Figure("x", 1, None, "s"), "not known before"),
    ],
)
def test_a_change_is_told_by_sign_and_word(figure: Figure, said: str):
    assert re.sub("<[^>]+>", "", change(figure)) == said


def test_figures_without_a_before_say_nothing_of_it():
    assert change(Figure("x", 1, None, "s", standing=True)) == ""
    assert change(Figure("x", None, 1, "s")) == ""


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [(0.5, "ratio", "50 %"), (90.0, "s", "1.5 min"), (0.5, "s", "0.5 s"), (2e6, "J", "2 MJ"),
     (1234.0, "", "1,234"), (12.5, "W", "12.5 W"), (0.0, "bytes", "0 bytes")],
)  # fmt: skip
def test_a_figure_has_its_unit(value: float, unit: str, said: str):
    assert told(value, unit) == said  # type: ignore[arg-type]


@pytest.mark.parametrize("period", ["", "7", "d", "0d", "-1d", "400d", "7y", "9999w"])
def test_what_is_no_period_is_refused(period: str):
    with pytest.raises(InputError):
        window_of(period, NOW)


def test_the_period_before_is_as_long_and_ends_where_this_begins():
    one = window_of("24h", NOW)
    assert one.before.until == one.since
    assert one.until - one.since == one.before.until - one.before.since == timedelta(days=1)


def test_the_command_writes_the_file_or_says_why_not(home: Home, tmp_path: Path):
    out = tmp_path / "report.html"
    done = CliRunner().invoke(mlops, ["report", "--out", str(out), "--project", LORA])
    assert done.exit_code == 0, done.output
    assert "9 sections" in done.stdout
    assert out.read_text().startswith("<!doctype html>")
    bad = CliRunner().invoke(mlops, ["report", "--out", str(tmp_path / "no" / "x.html")])
    assert (bad.exit_code, "cannot be written" in bad.stderr) == (1, True)
    wrong = CliRunner().invoke(mlops, ["report", "--out", str(out), "--period", "x"])
    assert wrong.exit_code == 2
