"""The index of verdicts can always be made anew from their files."""

import threading
from dataclasses import replace

import pytest

from services.errors import NotFoundError
from services.home import Home
from services.monitoring import folder
from services.monitoring.models import ColumnVerdict, Family, Histogram, Verdict, VerdictState
from services.monitoring.store import VerdictStore, verdict_id

AT = 1_795_953_600.0


def verdict(
    at: float = AT, state: VerdictState = "steady", kind: Family = "data", model: str = "m"
) -> Verdict:
    column = ColumnVerdict(
        "input.a", "input", "numeric", "drifted" if state == "drifted" else "steady", 0.25, 0.1,
        "measure", 0.5, 10, 20, None, Histogram((0.0, 1.0), (), (1.0,)), None, "said",
    )  # fmt: skip
    return Verdict(
        verdict_id(at), "p", model, 3, kind, at, "evaluation", at - 3600, at, 20, (column,), 0.0,
        "none", state, "said",
    )  # fmt: skip


@pytest.fixture
def store(home: Home):
    made = VerdictStore(home)
    yield made
    made.close()


def check(at: float, state: VerdictState = "steady") -> list[Verdict]:
    return [verdict(at, state), verdict(at, "steady", "prediction")]


def test_checks_read_back_in_the_order_they_came(store):
    for hour in range(3):
        store.record(check(AT + hour * 3600))
    assert [one.computed_at for one in store.history("p", "m", "data")] == [
        AT, AT + 3600, AT + 7200,
    ]  # fmt: skip
    assert [one.kind for one in store.latest("p")] == ["data", "prediction"]
    assert store.history("p", "m", "data", limit=1)[0].computed_at == AT + 7200
    assert [one.effect for one in store.column("p", "m", "data", "input.a")] == [0.25] * 3
    assert store.latest("other") == ()


def test_drift_began_with_the_first_window_since_it_was_steady_and_gaps_do_not_end_it(store):
    for hour, state in enumerate(("drifted", "steady", "drifted", "too few", "unknown", "drifted")):
        store.record([verdict(AT + hour * 3600, state)])
    assert store.begun("p", "m", "data") == AT + 2 * 3600 - 3600
    store.record([verdict(AT + 9 * 3600, "steady")])
    assert store.begun("p", "m", "data") is None


@pytest.mark.parametrize("damage", [None, b"", b"no database at all" * 200])
def test_an_index_that_is_gone_or_damaged_is_made_anew(home, store, damage):
    for hour in range(3):
        store.record(check(AT + hour * 3600))
    before = store.history("p", "m", "data"), store.latest()
    store.close()
    for path in folder.base(home).glob("verdicts.db*"):
        path.unlink()
    if damage is not None:
        (folder.base(home) / "verdicts.db").write_bytes(damage)
    again = VerdictStore(home)
    assert (again.history("p", "m", "data"), again.latest()) == before
    assert again.verdict(before[0][0].id).columns[0].reference == Histogram((0.0, 1.0), (), (1.0,))
    again.close()


def test_a_file_that_the_index_missed_is_taken_in_once(home, store):
    store.record(check(AT))
    path = next((folder.base(home) / "verdicts").rglob("*.gz"))
    other = path.with_name("20261129T130000-aaaaaaaa.json.gz")
    other.write_bytes(path.read_bytes())
    path.unlink()
    for end in ("", "-wal", "-shm"):
        (folder.base(home) / f"verdicts.db{end}").unlink(missing_ok=True)
    for _ in range(2):
        again = VerdictStore(home)
        assert len(again.history("p", "m", "data")) == 1
        again.close()


def test_damaged_files_are_left_out(home, store):
    store.record(check(AT))
    (one,) = (folder.base(home) / "verdicts").rglob("*.gz")
    one.with_name("20261129T130000-bbbbbbbb.json.gz").write_bytes(one.read_bytes()[:40])
    one.with_name("20261129T130000-cccccccc.json.gz").write_bytes(b"no gzip")
    again = VerdictStore(home)
    assert len(again.history("p", "m", "data")) == 1
    again.close()
    one.unlink()
    with pytest.raises(NotFoundError, match="There is no verdict"):
        store.verdict(store.latest()[0].id)


def test_old_checks_are_forgotten_with_their_reports(home, store):
    reports = folder.reports(home, "p", "m", AT)
    reports.mkdir(parents=True)
    for name in ("r.html", "r.json", "r.labels.html", "other.html"):
        (reports / name).write_text("report")
    told = str((reports / "r.html").relative_to(folder.base(home)))
    store.record([one.with_report(told) for one in check(AT)])
    store.record(check(AT + 86_400))
    assert store.prune(AT + 3600) == 2
    assert [path.name for path in reports.iterdir()] == ["other.html"]
    assert len(store.history("p", "m", "data")) == 1
    again = VerdictStore(home)
    assert len(again.history("p", "m", "data")) == 1
    again.close()


def test_reports_go_before_their_verdicts(home, store):
    reports = folder.reports(home, "p", "m", AT)
    reports.mkdir(parents=True)
    (reports / "r.html").write_text("report")
    told = str((reports / "r.html").relative_to(folder.base(home)))
    store.record([one.with_report(told) for one in check(AT)])
    assert store.prune_reports(AT) == 0
    assert store.prune_reports(AT + 1) == 1
    assert not list(reports.iterdir())
    assert [one.report for one in store.latest()] == [None, None]
    assert len(store.history("p", "m", "data")) == 1


def test_several_at_once_lose_nothing(home, store):
    def write(number: int) -> None:
        mine = VerdictStore(home)
        for hour in range(10):
            mine.record([replace(verdict(AT + hour), model=f"m{number}")])
        mine.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store.history("p", f"m{n}", "data")) for n in range(4)] == [10] * 4


def test_names_that_differ_in_case_or_hold_slashes_have_folders_of_their_own(home):
    found = {folder.verdicts(home, "p", name, AT) for name in ("Model", "model", "a/b", "..", ".")}
    assert len(found) == 5
    base = folder.base(home) / "verdicts" / "p"
    assert all(path.parent.parent == base for path in found)
