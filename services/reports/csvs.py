"""All rows of a table as a CSV file that lies in the report itself: a link with the data in it."""

import csv
import io
import re
from urllib.parse import quote

from services.reports.models import Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[\d.,]+( [A-Za-z%]+)?")


def link(one: Table) -> str:
    """Return the address of all rows of a table that are in the file."""
    return f"data:text/csv;charset=utf-8,{quote(text(one))}"


def text(one: Table) -> str:
    """Return the rows as CSV, RFC 4180; what a spreadsheet would reckon is text there, too."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(one.columns)
    writer.writerows([_cell(cell) for cell in row] for row in (*one.rows, *one.rest.rows))
    return out.getvalue()


def _cell(text: str) -> str:
    reckoned = text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None
    return f"'{text}" if reckoned else text


def file_name(one: Table) -> str:
    """Return what the file is called when it is saved."""
    return re.sub(r"[^a-z0-9]+", "-", one.title.lower()).strip("-")[:60] + ".csv"
