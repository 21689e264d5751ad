"""Labels that fit nothing, as the command line tells them."""

import json

from services.actions.journal import Journal
from services.home import Home
from tests.services.commands.test_drift import home, journal, live, typed
from tests.services.monitoring.test_labels_fit import Lab

__all__ = ["home", "journal"]
UNKNOWN = "4 of 18 labels of the last day (22%)"


def laid(home: Home, journal: Journal) -> None:
    for project in ("p", "q"):
        live(journal, project, "m", 3)
    lab = Lab(home)
    lab.answered(11, lambda n: n % 2)
    lab.answered(3, lambda _: "cat")
    lab.strange(4, project="p")
    lab.counted()


def test_unknown_requests_are_told_below_the_list(home: Home, journal: Journal):
    laid(home, journal)
    told = typed("list").output
    assert f"\n{UNKNOWN}, said with keys of p, name a request" in told
    assert "4 may have a wrong id" in told
    assert UNKNOWN not in typed("list", "--project", "q").output


def test_accuracy_tells_what_fits_nothing(home: Home, journal: Journal):
    laid(home, journal)
    told = typed("accuracy", "p.m").output
    assert "3 of 14 labels of the last day (21%) fit no answer." in told
    assert "3 are of a class that the model never answered." in told
    assert UNKNOWN in told
    assert UNKNOWN not in typed("accuracy", "q.m").output


def test_json_has_the_counts(home: Home, journal: Journal):
    laid(home, journal)
    found = {one["project"]: one["labels"] for one in json.loads(typed("list", "--json").stdout)}
    assert (found["p"]["last_day"], found["p"]["strange"], found["p"]["unusable"]) == (14, 3, 0)
    (unknown,) = found["p"]["unknown"]
    assert (unknown["project"], unknown["kept"]) == ("p", 4)
    assert unknown["last_day"] == {"labels": 18, "unknown": 4}
    assert unknown["newest"].endswith("Z")
    assert (found["q"]["last_day"], found["q"]["unknown"]) == (0, [])
    shown = json.loads(typed("accuracy", "p.m", "--json").stdout)["labels"]
    assert shown["unknown"] == found["p"]["unknown"]


def test_labels_that_cannot_be_read_hide_no_verdict(home: Home, journal: Journal):
    live(journal, "p", "m", 3)
    folder = home.serving / "predictions" / "feedback" / "unknown"
    folder.mkdir(parents=True)
    (folder / "torn.parquet").write_bytes(b"no parquet")
    done = typed("list", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)[0]["labels"] is None
    assert "torn.parquet" in done.stderr
