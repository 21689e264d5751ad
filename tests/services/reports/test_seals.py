"""A report's digest, what is known of a file, and its tables as CSV."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.reports import csvs, kept, making, seals
from services.reports.html import page
from services.reports.making import Wish
from services.reports.models import Rest, Table, first
from tests.lineage_seed import LORA
from tests.services.reports.conftest import Ask

TABLE = Table(
    "What was done, and by whom", ("a", "b"), (("x", "=1+1"), ('"q",\n', "-5 %")), "s", ""
)


def typed(*words: str) -> Result:
    return CliRunner().invoke(mlops, ["report", "check", *words])


def test_a_file_that_was_changed_does_not_match_its_digest(ask: Ask):
    text = page(ask())
    assert seals.holds(text)
    assert seals.digest(text) is not None
    assert not seals.holds(text.replace("Experiments", "Experience", 1))
    assert not seals.holds(text.replace("<main>", "<main> ", 1))
    for cut in (text[:-30], text[: text.rfind("<footer")], "", "<footer></footer></body></html>"):
        assert seals.digest(cut) is None


def test_who_has_the_file_learns_whether_it_is_ours(home: Home, tmp_path: Path):
    until = 1_800_000_000.0
    wish = Wish(kept.new_name(until), LORA, until - 60, until, "ana")
    made = making.make(home, wish)
    _, content = kept.content(home, made.name, None)
    assert seals.digest(content.decode()) == made.sha256
    path = tmp_path / "report.html"
    path.write_bytes(content)
    done = typed(str(path))
    assert done.exit_code == 0, done.output
    assert "It is as it was made. ana had it made on" in done.stdout
    said = json.loads(typed(str(path), "--json").stdout)
    assert said["whole"] is True
    assert said["sha256"] == made.sha256
    kept.keep(home, replace(made, sha256=""), content)
    assert "knows no report of that digest" in typed(str(path)).stdout
    path.write_bytes(content.replace(b"Experiments", b"Experience"))
    changed = typed(str(path))
    assert (changed.exit_code, "It was changed" in changed.stdout) == (1, True)


@pytest.mark.parametrize("content", [b"", b"<p>no report</p>", b"\xff\xfe\x00", None])
def test_what_is_no_report_is_a_sentence(home: Home, tmp_path: Path, content: bytes | None):
    path = tmp_path / "report.html"
    if content is not None:
        path.write_bytes(content)
    done = typed(str(path))
    assert done.exit_code in {1, 2}
    assert done.stderr.startswith("Error: ")
    assert isinstance(done.exception, SystemExit)


def test_one_that_an_earlier_version_kept_is_read(home: Home):
    made = making.make(home, Wish(kept.new_name(1.8e9), LORA, 1.8e9 - 60, 1.8e9, "ana"))
    path = kept.base(home) / f"{made.name}.json"
    said = json.loads(path.read_text())
    del said["headline"], said["sha256"]
    path.write_text(json.dumps(said))
    assert kept.find(home, made.name) == replace(made, headline=(), sha256="")


def test_csv_holds_every_cell_and_no_formula():
    rows = list(csv.reader(io.StringIO(csvs.text(TABLE))))
    assert rows == [["a", "b"], ["x", "'=1+1"], ['"q",\n', "-5 %"]]
    assert unquote(csvs.link(TABLE)) == f"data:text/csv;charset=utf-8,{csvs.text(TABLE)}"
    assert csvs.file_name(TABLE) == "what-was-done-and-by-whom.csv"
    assert not set('<>"&\n') & set(csvs.link(TABLE))


def test_a_number_before_a_formula_makes_it_no_number():
    cells = ("+0.02, better", "-3 W", "-1 +cmd|' /C calc'!A0", '+1 =HYPERLINK("x")')
    text = csvs.text(replace(TABLE, columns=("a",), rows=tuple((one,) for one in cells)))
    (_, *rows) = csv.reader(io.StringIO(text))
    assert [row[0][0] for row in rows[:4]] == ["+", "-", "'", "'"]


def test_rows_that_are_not_shown_are_in_the_file_up_to_a_bound():
    rows = [(str(n),) for n in range(5_003)]
    shown, rest = first(rows)
    assert (len(shown), len(rest.rows), rest.more, rest.count) == (25, 4_975, 3, 4_978)
    assert first(rows[:3]) == (tuple(rows[:3]), Rest())
