"""Leases in their file: granted once, ended with their owner, and there after a crash."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from services.errors import PlatformError
from services.resources.leases import TTL_S, LeaseBook, is_alive, this_process
from services.resources.models import GIB, Never, Owner, Waits
from tests.services.resources.machines import lease, mac, owner

HOSTS = (mac(memory_gb=30, gpu_slots=4),)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dead() -> set[int]:
    return set()


@pytest.fixture
def book(tmp_path: Path, clock: Clock, dead: set[int]) -> LeaseBook:
    def alive(one: Owner) -> bool | None:
        return None if one.host == "elsewhere" else one.pid not in dead

    return LeaseBook(tmp_path / "leases.json", clock, alive)


def test_a_lease_is_there_for_every_reader(book: LeaseBook, tmp_path: Path):
    taken = book.take(lease("task:a", owner=owner(), used_bytes=5), HOSTS)
    assert (taken.granted_at, taken.renewed_at) == (1000.0, 1000.0)
    other = LeaseBook(tmp_path / "leases.json", lambda: 1000.0, lambda _: True)
    assert other.leases() == (taken,)


def test_what_does_not_fit_is_not_granted(book: LeaseBook):
    book.take(lease("task:a", 20), HOSTS)
    answer = book.take(lease("task:b", 20), HOSTS)
    assert isinstance(answer, Waits)
    assert answer.missing == 10 * GIB
    assert [one.id for one in book.leases()] == ["task:a"]


def test_asking_twice_is_one_lease(book: LeaseBook, clock: Clock):
    book.take(lease("task:a", 20, owner=owner(7)), HOSTS)
    clock.now += 50
    again = book.take(lease("task:a", 20, owner=owner(8)), HOSTS)
    assert (again.granted_at, again.renewed_at, again.owner) == (1000.0, 1050.0, owner(8))
    assert book.leases() == (again,)


def test_a_lease_that_cannot_grow_stays_as_it_was(book: LeaseBook):
    kept = book.take(lease("deployment:chat", 20, 0), HOSTS)
    assert isinstance(book.take(lease("deployment:chat", 31, 0), HOSTS), Never)
    assert book.leases() == (kept,)


def test_a_lease_ends_with_its_owner_and_its_room_is_free_at_once(book: LeaseBook, dead: set[int]):
    book.take(lease("task:a", 20, owner=owner(7)), HOSTS)
    dead.add(7)
    assert book.leases() == ()
    book.take(lease("task:b", 20, owner=owner(8)), HOSTS)
    assert [one.id for one in book.leases()] == ["task:b"]


def test_sweeping_says_what_ended(book: LeaseBook, dead: set[int]):
    book.take(lease("task:a", owner=owner(7)), HOSTS)
    dead.add(7)
    (ended,) = book.sweep()
    assert ended.said == "The process of the job a ended without giving it back."
    assert book.sweep() == ()


def test_an_endpoint_keeps_its_lease_whoever_serves_it(book: LeaseBook, clock: Clock):
    kept = book.take(lease("deployment:chat", owner=None), HOSTS)
    clock.now += 1e6
    assert book.sweep() == ()
    assert book.leases() == (kept,)


def test_of_another_machine_the_renewing_tells(book: LeaseBook, clock: Clock):
    taken = book.take(lease("task:a", owner=owner(host="elsewhere")), HOSTS)
    clock.now += TTL_S
    assert book.leases() == (taken,)
    book.renew(taken)
    clock.now += TTL_S
    assert len(book.leases()) == 1
    clock.now += 1
    assert book.leases() == ()


def test_a_stopped_owner_keeps_its_lease(book: LeaseBook, clock: Clock):
    book.take(lease("task:a", owner=owner(7)), HOSTS)
    clock.now += 100 * TTL_S
    assert len(book.leases()) == 1


def test_who_renews_a_lost_lease_has_it_again(book: LeaseBook, tmp_path: Path):
    taken = book.take(lease("task:a", owner=owner()), HOSTS)
    (tmp_path / "leases.json").unlink()
    book.renew(taken, used_bytes=3 * GIB)
    assert [(one.id, one.used_bytes) for one in book.leases()] == [("task:a", 3 * GIB)]


def test_a_lease_is_given_back_once(book: LeaseBook):
    book.take(lease("task:a"), HOSTS)
    assert book.end("task:a")
    assert not book.end("task:a")
    assert book.leases() == ()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"leases": [{"id": 1}]}', "\0\0"])
def test_a_damaged_file_is_set_aside_and_said_so(
    book: LeaseBook, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "leases.json").write_text(damage)
    assert book.leases() == ()
    assert "Who holds a lease puts it back" in caplog.text
    assert list(tmp_path.glob("leases.json.broken-*"))
    book.take(lease("task:a"), HOSTS)
    assert len(book.leases()) == 1


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(PlatformError, match="cannot be made"):
        LeaseBook(tmp_path / "gone" / "leases.json").take(lease("task:a"), HOSTS)


def test_two_at_once_never_get_the_same_memory(tmp_path: Path):
    def slowly(_: Owner) -> bool:
        threading.Event().wait(0.005)  # between reading and writing
        return True

    books = [LeaseBook(tmp_path / "leases.json", alive=slowly) for _ in range(8)]
    books[0].take(lease("task:first", 1, 0, owner=owner()), HOSTS)
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        books[number].take(lease(f"task:{number}", 14, 0), HOSTS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(books[0].leases()) == 3  # 1 GB and twice 14 of 30


def test_the_living_are_known_by_pid_and_time():
    me = this_process()
    assert is_alive(me) is True
    assert is_alive(Owner(me.host, me.pid, me.created - 3600)) is False
    assert is_alive(Owner("elsewhere", me.pid, me.created)) is None
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert is_alive(Owner(me.host, ended.pid, me.created)) is False


@pytest.mark.engine
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path: Path):
    """A process takes and gives back for ever and is killed with SIGKILL; the file stays whole."""
    path = tmp_path / "leases.json"
    code = (
        "from tests.services.resources.machines import lease, mac\n"
        "from services.resources.leases import LeaseBook, this_process\n"
        "from pathlib import Path\n"
        f"book = LeaseBook(Path({str(path)!r}))\n"
        "hosts = (mac(memory_gb=30),)\n"
        "print('on', flush=True)\n"
        "while True:\n"
        "    book.take(lease('task:a', owner=this_process()), hosts)\n"
        "    book.end('task:a')\n"
    )
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ}
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            threading.Event().wait(0.2)
            writer.kill()
        document = json.loads(path.read_bytes())
        assert document["v"] == 1
        assert LeaseBook(path).leases() == ()  # its owner is dead
        assert isinstance(LeaseBook(path).take(lease("task:b", 30), HOSTS).id, str)
        LeaseBook(path).end("task:b")


def test_a_file_that_cannot_be_opened_is_a_sentence(tmp_path: Path):
    (tmp_path / "leases.json").mkdir()
    with pytest.raises(PlatformError, match="The leases cannot be read: Is a directory"):
        LeaseBook(tmp_path / "leases.json").leases()


def test_a_full_disk_is_a_sentence_and_keeps_what_was(
    book: LeaseBook, monkeypatch: pytest.MonkeyPatch
):
    kept = book.take(lease("task:a"), HOSTS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.resources.lists.write_whole", full)
    with pytest.raises(PlatformError, match="could not be written: No space left"):
        book.take(lease("task:b", 4), HOSTS)
    assert book.leases() == (kept,)


def test_the_leases_of_this_installation_are_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    LeaseBook.here().take(lease("task:a"), HOSTS)
    assert (tmp_path / "run" / "leases.json").exists()
