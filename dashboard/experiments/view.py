"""What a person made of the Experiments table, as the URL and a saved view keep it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.mirror.filters import ATTRIBUTES, MAX_LENGTH, split_field
from services.mirror.main_metric import MAIN_METRIC

MAX_SELECTED = 200
MAX_COLUMNS = 40
NO_CURVE = "-"
_SORT = "started_at"
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_NAME = 300
_MAX_PAGE = 10_000_000
KEYS = ("q", "sort", "p", "cols", "curve", "archived", "sel")


@dataclass(frozen=True, slots=True)
class View:
    """One look at the table; the defaults are what a bare address shows."""

    filter: str = ""
    sort: str = _SORT
    descending: bool = True
    page: int = 1
    """Counted from one."""
    columns: tuple[str, ...] | None = None
    """None: the columns are chosen by what varies."""
    curve: str | None = None
    """Metric of the sparkline; None: the primary metric; ``-``: no sparkline."""
    archived: bool = False
    selected: tuple[str, ...] = ()
    """Run ids, in the order they were chosen, also from other pages of the table."""

    def to_params(self) -> dict[str, str]:
        """Return the query parameters; what is at its default is left out."""
        params = {
            "q": self.filter,
            "sort": _sort_word(self),
            "p": "" if self.page == 1 else str(self.page),
            "cols": "" if self.columns is None else _joined(self.columns) or NO_CURVE,
            "curve": self.curve or "",
            "archived": "1" if self.archived else "",
            "sel": ",".join(self.selected),
        }
        return {key: value for key, value in params.items() if value}


def is_field(name: str) -> bool:
    """Return whether a filter, a sort or a column may name this."""
    if not 0 < len(name) <= _MAX_NAME:
        return False
    group, rest = split_field(name)
    return bool(rest) if group else name in ATTRIBUTES


def read_view(params: Mapping[str, str]) -> tuple[View, tuple[str, ...]]:
    """Return the view an address asks for, and a sentence for each part that is malformed."""
    notices: list[str] = []
    sort, descending = _sort(params.get("sort", ""), notices)
    view = View(
        filter=_filter(params.get("q", ""), notices),
        sort=sort,
        descending=descending,
        page=_page(params.get("p", ""), notices),
        columns=_columns(params.get("cols", ""), notices),
        curve=_curve(params.get("curve", ""), notices),
        archived=params.get("archived", "") == "1",
        selected=read_run_ids(params.get("sel", ""), MAX_SELECTED, notices),
    )
    return view, tuple(notices)


def read_run_ids(text: str, most: int, notices: list[str]) -> tuple[str, ...]:
    """Return the run ids of a comma-separated list, each once; what cannot be one is dropped."""
    parts = [part.strip() for part in text.split(",") if part.strip()] if text else []
    found = tuple(dict.fromkeys(part for part in parts if _RUN_ID.fullmatch(part)))
    if any(not _RUN_ID.fullmatch(part) for part in parts):
        notices.append("The address names runs whose ids cannot exist; they are left out.")
    if len(found) > most:
        notices.append(f"The address names {len(found)} runs; the first {most} are used.")
    return found[:most]


def _sort_word(view: View) -> str:
    if (view.sort, view.descending) == (_SORT, True):
        return ""
    return f"-{view.sort}" if view.descending else view.sort


def _joined(names: tuple[str, ...]) -> str:
    return ",".join(name.replace("%", "%25").replace(",", "%2C") for name in names)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.replace("%2C", ",").replace("%25", "%") for part in text.split(","))


def _filter(text: str, notices: list[str]) -> str:
    if len(text) <= MAX_LENGTH:
        return text.strip()
    notices.append(
        f"The filter in the address has {len(text):,} characters ({MAX_LENGTH:,} are the most): "
        "it is left out."
    )
    return ""


def _sort(text: str, notices: list[str]) -> tuple[str, bool]:
    if not text:
        return _SORT, True
    name = text.removeprefix("-")
    if name == MAIN_METRIC or is_field(name):
        return name, text.startswith("-")
    notices.append("The address sorts by something that is no field: newest runs are first.")
    return _SORT, True


def _page(text: str, notices: list[str]) -> int:
    if not text:
        return 1
    if text.isascii() and text.isdigit() and 0 < int(text[:20]) <= _MAX_PAGE:
        return int(text)
    notices.append("The address asks for a page that cannot be: the first is shown.")
    return 1


def _columns(text: str, notices: list[str]) -> tuple[str, ...] | None:
    if not text:
        return None
    if text == NO_CURVE:
        return ()
    names = _split(text)
    good = tuple(dict.fromkeys(n for n in names if n == MAIN_METRIC or is_field(n)))
    if len(good) < len(names) or len(good) > MAX_COLUMNS:
        notices.append("The address names columns that cannot be; they are left out.")
    return good[:MAX_COLUMNS] or None


def _curve(text: str, notices: list[str]) -> str | None:
    if not text or text == NO_CURVE:
        return text or None
    group, name = split_field(text)
    if group == "metrics" and 0 < len(name) <= _MAX_NAME:
        return text
    notices.append("The address draws a curve of something that is no metric: it is left out.")
    return None
