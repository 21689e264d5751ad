import csv
import io
import math
from typing import Any

from dashboard.experiments.export import cell, csv_bytes
from services.mirror.models import RunPage, RunQuery
from tests.dashboard.experiments.examples import run


class Shelf:
    """A mirror of given runs that counts what it is asked."""

    def __init__(self, runs: Any, *, shift: Any = 0) -> None:
        self._runs = list(runs)
        self._shift = shift
        self.asked = []

    def runs(self, query: Any):
        self.asked.append(query)
        start = max(0, query.offset - (self._shift if query.offset else 0))
        rows = tuple(self._runs[start : start + query.limit])
        return RunPage(len(self._runs), rows, None, 1)


def read(data: Any):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_the_file_holds_every_page():
    shelf = Shelf(run(f"{i:04}") for i in range(2_345))
    rows = read(csv_bytes(shelf, RunQuery(filter="a", offset=100, limit=50), ()))
    assert [row["run_id"] for row in rows] == [f"{i:04}" for i in range(2_345)]
    assert len(shelf.asked) == 3
    assert all(query.filter == "a" for query in shelf.asked)


def test_a_run_that_moves_to_the_next_page_meanwhile_comes_once():
    shelf = Shelf((run(f"{i:04}") for i in range(1_500)), shift=1)
    rows = read(csv_bytes(shelf, RunQuery(), ()))
    assert len(rows) == len({row["run_id"] for row in rows})


def test_columns_are_brought_along_with_full_precision():
    shelf = Shelf([run("a", metrics={"acc": 0.1 + 0.2}, params={"rank": "8"})])
    (row,) = read(csv_bytes(shelf, RunQuery(), ("metrics.acc", "params.rank", "name")))
    assert row["metrics.acc"] == "0.30000000000000004"
    assert row["params.rank"] == "8"
    assert shelf.asked[0].columns == ("metrics.acc", "params.rank")


def test_missing_nan_and_infinite_values_are_told_apart():
    one = run("a", metrics={"nan": math.nan, "inf": -math.inf})
    assert cell(one, "metrics.nan") == "NaN"
    assert cell(one, "metrics.inf") == "-inf"
    assert cell(one, "metrics.none") == ""


def test_a_name_that_is_a_formula_is_defused_and_a_negative_number_is_not():
    assert cell(run("a", name='=HYPERLINK("x")'), "name") == '\'=HYPERLINK("x")'
    assert cell(run("a", params={"p": "-1e-3"}), "params.p") == "-1e-3"
    assert cell(run("a", params={"p": "-x"}), "params.p") == "'-x"


def test_quotes_and_line_breaks_survive():
    name = 'a "b",\nc'
    (row,) = read(csv_bytes(Shelf([run("a", name=name)]), RunQuery(), ()))
    assert row["name"] == name


def test_times_are_iso_and_the_duration_is_seconds():
    one = run("a")
    assert cell(one, "started_at") == "2026-11-24T08:00:00+00:00"
    assert cell(one, "duration_s") == "42.0"
    assert cell(one, "baseline") == "false"
