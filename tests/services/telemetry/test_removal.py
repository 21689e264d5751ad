"""A machine is removed whole, beside whoever writes, merges and reads, and after a kill."""

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from services.engines.silicon.models import ProviderState
from services.errors import ConflictError, NotFoundError
from services.telemetry import removal
from services.telemetry.compaction import compact_all
from services.telemetry.folder import HostFolder, Retention, lock
from tests.services.telemetry.machines import MAC
from tests.services.telemetry.samples import BEGIN, HOST, Clock, at, sample, store, watts

LATER = Clock(BEGIN + timedelta(minutes=30))


def filled(folder: Path, *hosts: str) -> None:
    """Write a minute of samples of each, some of them merged."""
    writer = store(folder, Clock(at(60)))
    for host in hosts:
        for second in range(0, 60, 2):
            writer.append(sample(second, host=host))
    writer.merge()
    writer.close()


def test_a_silent_machine_goes_with_all_its_files_and_the_others_stay(tmp_path: Path):
    filled(tmp_path, "mac-a", "mac-b")
    one = store(tmp_path, LATER)
    one.remove("mac-a")
    assert [state.machine.host for state in one.hosts()] == ["mac-b"]
    assert sorted(os.listdir(tmp_path)) == ["compaction.lock", "mac-b"]  # noqa: PTH208
    assert len(one.samples("mac-b", at(0), at(60))) == 30
    with pytest.raises(NotFoundError, match="No machine named mac-a"):
        one.remove("mac-a")


def test_one_that_still_reports_is_refused_and_keeps_everything(tmp_path: Path):
    filled(tmp_path, HOST)
    clock = Clock(at(58 + 60))
    with pytest.raises(ConflictError, match="mac-a still reports: its newest sample is 60 s old"):
        store(tmp_path, clock).remove(HOST)
    assert len(store(tmp_path).samples(HOST, at(0), at(60))) == 30
    clock.at += timedelta(seconds=1)
    store(tmp_path, clock).remove(HOST)


def test_one_whose_files_are_open_elsewhere_is_refused(tmp_path: Path):
    filled(tmp_path, HOST)
    writer = store(tmp_path)
    writer.append(watts(70, 1.0))
    with pytest.raises(ConflictError, match="still open to be written"):
        store(tmp_path, LATER).remove(HOST)
    writer.close()
    store(tmp_path, LATER).remove(HOST)


def test_the_sampler_lets_go_of_machines_that_went_silent(tmp_path: Path):
    writer = store(tmp_path, lost_after_s=0.2)
    writer.append(watts(0, 1.0))
    time.sleep(0.3)
    writer.append(sample(2, host="mac-b"))
    store(tmp_path, LATER).remove(HOST)
    assert [state.machine.host for state in writer.hosts()] == ["mac-b"]
    writer.close()


def test_samples_that_no_disk_took_are_not_let_go(tmp_path: Path, monkeypatch):
    writer = store(tmp_path, lost_after_s=0.0)
    writer.append(watts(0, 1.0))
    held = writer._writers[HOST]
    held._waiting.append(watts(2, 2.0))
    writer.append(sample(4, host="mac-b"))
    held._waiting.clear()
    assert writer._writers[HOST] is held
    writer.close()


def test_one_that_comes_back_begins_anew_under_its_own_name(tmp_path: Path):
    writer = store(tmp_path, lost_after_s=0.1)
    writer.introduce(MAC, (ProviderState("macmon", "0.8.2"),))
    writer.append(sample(0, host=MAC.host))
    time.sleep(0.2)
    writer.append(sample(0, host="mac-z"))
    store(tmp_path, LATER).remove(MAC.host)
    writer.append(sample(60, host=MAC.host))
    state = next(s for s in store(tmp_path).hosts() if s.machine.host == MAC.host)
    assert (state.machine, state.last_at) == (MAC, at(60))
    assert len(store(tmp_path).samples(MAC.host, at(0), at(90))) == 1
    writer.close()


def test_a_folder_that_somebody_took_away_does_not_end_the_writing(tmp_path: Path):
    writer = store(tmp_path)
    writer.append(watts(0, 1.0))
    (tmp_path / HOST).rename(tmp_path / ".removed-by-hand")
    writer.append(watts(2, 2.0))
    assert [one.at for one in store(tmp_path).samples(HOST, at(0), at(60))] == [at(2)]
    writer.close()


def test_a_merge_is_waited_for_and_never_brings_a_removed_machine_back(tmp_path: Path, monkeypatch):
    filled(tmp_path, HOST)
    handle = lock(tmp_path / "compaction.lock", "")
    monkeypatch.setattr(removal, "_MERGE_S", 0.1)
    with pytest.raises(ConflictError, match="is being merged"):
        store(tmp_path, LATER).remove(HOST)
    monkeypatch.setattr(removal, "_MERGE_S", 10.0)
    threading.Timer(0.2, os.close, (handle,)).start()
    store(tmp_path, LATER).remove(HOST)
    compact_all(tmp_path, Retention(), 60.0, at(3600).timestamp())
    assert not (tmp_path / HOST).exists()


@pytest.mark.parametrize("killed_at", ["rename", "files"])
def test_a_kill_leaves_it_whole_or_gone_and_the_next_merge_clears_up(tmp_path: Path, killed_at):
    filled(tmp_path, HOST)
    child = os.fork()
    if child == 0:
        if killed_at == "files":
            removal.shutil.rmtree = lambda path: (
                next(path.glob("full/*")).unlink(),
                os._exit(9),
            )
        else:
            removal.secrets.token_hex = lambda _n: os._exit(9)
        store(tmp_path, LATER).remove(HOST)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = store(tmp_path, LATER)
    if killed_at == "rename":
        assert len(left.samples(HOST, at(0), at(60))) == 30
        left.remove(HOST)
    else:
        assert left.hosts() == ()
        assert list(tmp_path.glob(".removed-*"))
        compact_all(tmp_path, Retention(), 60.0, at(3600).timestamp())
    assert sorted(os.listdir(tmp_path)) == ["compaction.lock"]  # noqa: PTH208


def test_what_is_known_of_machines_is_told_without_their_samples(tmp_path: Path):
    assert store(tmp_path / "none").known() == ()
    filled(tmp_path, HOST)
    one = store(tmp_path)
    one.introduce(MAC, ())
    (tmp_path / ".removed-x").mkdir()
    assert sorted(machine.host for machine, _ in one.known()) == [HOST, MAC.host]
    assert one.knows(HOST)
    assert not one.knows("mac-z")
    assert HostFolder(tmp_path / HOST).machine.exists()
