"""A full report is found by its verdict, and by nothing else."""

from dataclasses import replace

import pytest

from services.errors import GoneError, NotFoundError, PlatformError
from services.home import Home
from services.monitoring import folder, full_report
from services.monitoring.store import VerdictStore
from tests.services.monitoring.test_store import AT, verdict


@pytest.fixture
def store(home: Home):
    made = VerdictStore(home)
    yield made
    made.close()


def kept(home: Home, store: VerdictStore, report: str | None = None, text: str = "<p>x") -> str:
    """Record a check with its report; return the verdict's id."""
    one = verdict()
    reports = folder.reports(home, one.project, one.model, AT)
    reports.mkdir(parents=True, exist_ok=True)
    (reports / f"{one.id}.html").write_text(text)
    own = str((reports / f"{one.id}.html").relative_to(folder.base(home)))
    store.record([replace(one, report=report or own)])
    return one.id


def test_a_report_is_read_by_who_sees_its_project(home: Home, store: VerdictStore):
    one = kept(home, store)
    assert full_report.read(home, store, one, None) == b"<p>x"
    assert full_report.read(home, store, one, ("other", "p")) == b"<p>x"


def test_another_projects_report_is_told_like_one_that_never_was(home: Home, store: VerdictStore):
    one = kept(home, store)
    said = set()
    for asked, visible in ((one, ("other",)), (one, ()), ("20260101T000000-00000000", None)):
        with pytest.raises(NotFoundError, match="no such check") as found:
            full_report.read(home, store, asked, visible)
        said.add(str(found.value))
    assert len(said) == 1


@pytest.mark.parametrize("said", ["", "..", "../../verdicts.db", "x" * 500, "%", "\0", "２" * 8])
def test_what_is_no_id_is_no_report(home: Home, store: VerdictStore, said: str):
    with pytest.raises(NotFoundError, match="no such check"):
        full_report.read(home, store, said, None)


def test_a_check_without_a_report_says_when_one_is_written(home: Home, store: VerdictStore):
    one = verdict()
    store.record([one])
    with pytest.raises(NotFoundError, match=r"No full report was written.*day's first check"):
        full_report.read(home, store, one.id, None)


def test_a_report_that_was_removed_is_gone_and_its_verdict_is_not(home: Home, store: VerdictStore):
    one = kept(home, store)
    assert store.prune_reports(AT + 1) == 1
    with pytest.raises(GoneError, match=r"2026-11-29 .* UTC was removed.*30 days"):
        full_report.read(home, store, one, None)
    assert store.verdict(one).id == one


@pytest.mark.parametrize(
    "place", ["../secret", "reports/../../secret", "/etc/passwd", "verdicts.db"]
)
def test_a_verdict_that_was_changed_leads_nowhere_else(home: Home, store: VerdictStore, place: str):
    (home.root / "secret").write_text("secret")
    one = kept(home, store, place)
    with pytest.raises(PlatformError, match="outside the reports' folder"):
        full_report.read(home, store, one, None)


def test_a_link_out_of_the_folder_is_not_followed(home: Home, store: VerdictStore):
    (home.root / "secret").write_text("secret")
    one = kept(home, store)
    path = next(folder.base(home).glob("reports/**/*.html"))
    path.unlink()
    path.symlink_to(home.root / "secret")
    with pytest.raises(PlatformError, match="outside the reports' folder"):
        full_report.read(home, store, one, None)


def test_a_report_that_cannot_be_read_is_a_sentence(home: Home, store: VerdictStore):
    one = kept(home, store)
    path = next(folder.base(home).glob("reports/**/*.html"))
    path.unlink()
    path.mkdir()
    with pytest.raises(PlatformError, match="cannot be read"):
        full_report.read(home, store, one, None)
