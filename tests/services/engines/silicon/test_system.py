"""What is counted once though a machine lists it twice, and what is missing and not 0."""

from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from services.engines.silicon import system
from services.engines.silicon.system import System, real
from tests.services.engines.silicon.replay import of

Disk = namedtuple("Disk", "read_bytes write_bytes")
Nic = namedtuple("Nic", "bytes_recv bytes_sent")


def devices(folder: Path, **there: bool) -> Path:
    """Make what /sys tells: a folder a device, in it `device` where hardware is behind it."""
    for name, hardware in there.items():
        (folder / name.replace("_", "-")).mkdir(parents=True)
        if hardware:
            (folder / name.replace("_", "-") / "device").touch()
    return folder


def test_a_disk_is_counted_once_though_a_volume_and_its_partitions_are_listed(tmp_path):
    block = devices(tmp_path, nvme0n1=True, dm_0=False, loop3=False, zram0=False)
    names = ["nvme0n1", "nvme0n1p1", "nvme0n1p2", "dm-0", "loop3", "zram0"]
    assert real(names, block, system._NO_DISK) == ["nvme0n1"]


def test_where_no_hardware_is_seen_the_names_tell(tmp_path):
    inside = devices(tmp_path / "container", eth0=False, lo=False, docker0=False)
    assert real(["lo", "eth0", "docker0"], inside, system._NO_NIC) == ["eth0"]
    mac = tmp_path / "there-is-no-sys"
    assert real(["lo0", "en0", "utun3", "awdl0", "en7"], mac, system._NO_NIC) == ["en0", "en7"]
    assert real(["disk0", "disk4"], mac, system._NO_DISK) == ["disk0", "disk4"]


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


def test_traffic_is_that_of_the_hardware(monkeypatch, tmp_path, clock):
    monkeypatch.setattr(system, "_BLOCK", devices(tmp_path / "block", vda=True, dm_0=False))
    monkeypatch.setattr(system, "_NICS", devices(tmp_path / "net", eth0=True, veth1=False))
    moved = [0]
    monkeypatch.setattr(
        psutil,
        "disk_io_counters",
        lambda perdisk: {"vda": Disk(moved[0], 0), "dm-0": Disk(moved[0], 0)},
    )
    monkeypatch.setattr(
        psutil,
        "net_io_counters",
        lambda pernic: {"eth0": Nic(moved[0], 7), "veth1": Nic(moved[0], 7), "lo": Nic(9, 9)},
    )
    provider = System(now=lambda: clock[0])
    assert of(provider.readings(), "disk_read_bytes_s").reason == "needs two samples"
    moved[0], clock[0] = 4000, 102.0
    readings = provider.readings()
    assert of(readings, "disk_read_bytes_s").value == 2000
    assert of(readings, "disk_write_bytes_s").value == 0  # measured: nothing was written
    assert of(readings, "network_in_bytes_s").value == 2000
    assert of(readings, "network_out_bytes_s").value == 0


def test_a_machine_without_disks_or_cards_says_so(monkeypatch):
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk: None)
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: {"lo": Nic(5, 5)})
    readings = System().readings()
    for metric in ("disk_read_bytes_s", "network_in_bytes_s"):
        assert "does not report" in of(readings, metric).reason


def test_a_clock_of_nothing_and_a_disk_of_nothing_are_missing(monkeypatch):
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=0.0))
    monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(used=0, free=0))
    readings = System().readings()
    assert of(readings, "cpu_mhz").value is None
    assert of(readings, "disk_used_ratio").value is None
