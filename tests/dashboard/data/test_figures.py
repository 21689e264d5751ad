from datetime import UTC, datetime, timedelta

import pytest

from dashboard.data import changes, chart, figures, versions, work
from dashboard.data.access import Holding
from services.data.looking import CHANGED_SINCE
from services.data.models import Changes, FileChange, Queued, Status, Underway, Use, Version
from services.errors import NotFoundError, PlatformError

NOW = datetime.now(UTC)


def version(revision: str, size: int, days_ago: float, **more: object) -> Version:
    at = NOW - timedelta(days=days_ago)
    said = {"project": "one", "kind": "data", "files": 3, "paths": ("data",), "current": False}
    said |= {"remote": "not sent", "sent_at": None, "last_at": at}
    return Version(revision=revision, bytes=size, at=at, **(said | more))


NEW, MIDDLE, OLD = (
    version("c" * 16, 500, 1, current=True),
    version("b" * 16, 700, 2),
    version("a" * 16, 700, 3),
)
ALL = (NEW, MIDDLE, OLD)


def test_each_version_says_what_it_grew_and_how_many_use_it():
    uses = {
        NEW.revision: Use(NEW.revision, ("r1", "r2"), (("one", "m", 3),)),
        OLD.revision: Use(OLD.revision, ("r0",)),
    }
    found = figures.lines(ALL, uses)
    assert [line.grown_bytes for line in found] == [-200, 0, None]
    assert [figures.grown(line.grown_bytes) for line in found] == ["−200 B", "±0 B", "first"]
    assert [figures.used(line) for line in found] == [
        "2 runs, 1 model version",
        "nobody",
        "1 run",
    ]


def test_who_uses_a_version_is_not_nobody_while_it_cannot_be_told():
    assert [figures.used(line) for line in figures.lines(ALL, None)] == ["not known"] * 3


def queued(minutes: float, reason: str) -> Queued:
    since = datetime.now(UTC) - timedelta(minutes=minutes, seconds=5)
    return Queued("one", "data", "r", since, 1, reason, None)


def test_what_waits_says_since_when_and_why():
    assert figures.waits(()) == ""
    assert (
        figures.waits([queued(25, "")]) == "1 version has waited for 25 min. It was not tried yet."
    )
    assert (
        figures.waits([queued(180, ""), queued(3, "It is away.")])
        == "2 versions have waited for 3 h. It is away."
    )


FILES = (
    FileChange("data/a.csv", "changed", 10, 400),
    FileChange("data/b.csv", "added", None, 90),
    FileChange("data/C.bin", "removed", 2_000, None),
    FileChange("data/d.csv", "added", None, None),
)


@pytest.mark.parametrize(
    ("text", "words", "by_size", "shown"),
    [
        ("", [], False, "abCd"),
        ("", [], True, "Cabd"),
        (" c.BIN", [], False, "C"),
        (".csv", ["added"], False, "bd"),
        ("nowhere", [], False, ""),
    ],
)
def test_files_are_found_by_path_kind_and_size(text, words, by_size, shown):
    found = figures.matching(FILES, text, words, by_size=by_size)
    assert "".join(one.path[5] for one in found) == shown


def test_a_size_that_is_not_known_is_not_zero():
    cells = changes.cells(FILES[3])
    assert (cells["before"], cells["after"], cells["grown"]) == ("–", "not reported", "")
    assert changes.cells(FILES[0])["grown"] == "+390 B"
    assert changes.cells(FILES[2])["after"] == "–"


def test_the_summary_counts_and_says_how_the_size_changed():
    said = changes.summary(Changes("c", "b", 2, 1, 0, 500, 700, FILES))
    assert "**2** added" in said
    assert "**1** changed" in said
    assert "removed" not in said
    assert "700 B → **500 B** :gray[(−200 B)]" in said
    assert "same files" in changes.summary(Changes("c", "b", 0, 0, 0, 5, 5, ()))
    assert "500 B in all" in changes.summary(Changes("c", None, 4, 0, 0, 500, 0, FILES))


def test_a_version_is_compared_with_the_one_made_before_it_in_its_own_project():
    other = version("d" * 16, 1, 1.5, project="two")
    assert changes.before(NEW, [MIDDLE, OLD, other]) is MIDDLE
    assert changes.before(OLD, [NEW, MIDDLE, other]) is None
    assert changes.before(MIDDLE, [OLD, NEW]) is OLD


def test_the_address_names_a_version_by_the_beginning_of_its_revision():
    shared = version("d" * 16, 1, 1, project="two")
    assert versions.looked_at(ALL, [shared], "bbbb") == (MIDDLE, False)
    assert versions.looked_at(ALL, [shared], "DDDDDD") == (shared, False)
    assert versions.looked_at(ALL, [shared], "") == (NEW, False)
    assert versions.looked_at(ALL, [shared], "eeee") == (NEW, True)
    assert versions.looked_at(ALL, [shared], "b") == (NEW, True)  # too short to mean one
    assert versions.looked_at((MIDDLE, OLD), [], "") == (MIDDLE, False)  # the folder is empty
    assert versions.looked_at((), [], "") == (None, False)


def underway(**more: object) -> Underway:
    said = {"what": "sending", "files": 3, "files_total": 10, "bytes": 0, "bytes_total": None}
    return Underway(project="one", at=NOW, **(said | more))


@pytest.mark.parametrize(
    ("more", "share", "told"),
    [
        ({}, 0.3, "Sending: 3 of 10 files"),
        (
            {"bytes": 400, "bytes_total": 1_000},
            0.4,
            "Sending: 3 of 10 files, 400 B of 1.00 kB",
        ),
        ({"bytes": 400}, 0.3, "Sending: 3 of 10 files, 400 B"),
        ({"files_total": None}, 0.0, "Sending: 3 files"),
        ({"files": 12}, 1.0, "Sending: 12 of 10 files"),
        ({"what": "thinking", "files_total": 0}, 0.0, "thinking: 3 of 0 files"),
    ],
)
def test_progress_is_of_the_bytes_where_their_sum_is_known(more, share, told):
    found = underway(**more)
    assert work.share(found) == share
    assert work.told(found, NOW) == told


def test_progress_that_stands_still_says_so():
    assert work.told(underway(), NOW + timedelta(seconds=40)).endswith("; no news for 40 s")


def holding(state: str, trouble=None, **more: object) -> Holding:
    said = {"project": "one", "kind": "data", "folder": "/f", "paths": ("data",), "reason": ""}
    said |= {"revision": None, "files": 0, "bytes": 0, "at": None, "versions": 0, "remote": None}
    status = None if trouble else Status(state=state, queued=(), **(said | more))
    return Holding("one", "One", "data", status, trouble)


@pytest.mark.parametrize(
    ("one", "word", "why"),
    [
        (holding("clean"), "clean", ""),
        (holding("changed", reason=CHANGED_SINCE), "changed", "Files changed since this version."),
        (holding("changed", reason="data/x is a symbolic link."), "changed", "symbolic link"),
        (holding("empty"), "empty", "There is no file yet."),
        (holding("empty", paths=()), "not listed", "lists none"),
        (holding("clean", PlatformError("git failed.", "See.")), "damaged", "git failed. See."),
        (holding("clean", NotFoundError("None yet.")), "no repository", "None yet."),
        (Holding("one", "One", "data", None, None), "looking", "looked through"),
    ],
)
def test_how_a_folder_stands_is_a_word_and_a_reason(one: Holding, word: str, why: str):
    assert one.word == word
    assert why in one.why


def test_the_chart_has_a_step_a_version_in_order_of_time_and_marks_two():
    spec = chart.spec(ALL[::-1], UTC, OLD.revision)
    (series,) = spec["series"]
    points = series["data"]
    assert [point["name"] for point in points] == [v.revision for v in ALL[::-1]]
    assert [point["value"][1] for point in points] == [700.0, 700.0, 500.0]
    sizes = [point["symbolSize"] for point in points]
    assert sizes[0] > sizes[2] > sizes[1]
    assert series["step"] == "end"
