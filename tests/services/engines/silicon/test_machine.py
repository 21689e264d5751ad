from pathlib import Path

import pytest

from services.engines.silicon import machine
from services.engines.silicon.models import CoreTier
from tests.services.engines.silicon.replay import MAC, programs, recorded


def test_a_mac_with_super_and_performance_cores():
    answers = MAC | {"sysctl": recorded("sysctl_machine_m5_pro.txt")}
    found = machine.apple("studio-1", programs(answers))
    assert (found.chip, found.apple_silicon, found.model) == ("Apple M5 Pro", True, "Mac17,9")
    assert found.tiers == (CoreTier("super", 5), CoreTier("performance", 10))
    assert (found.gpu, found.gpu_cores, found.memory_bytes) == ("Apple M5 Pro", 18, 51539607552)
    assert found.recommended_working_set_bytes is None  # no MLX answered
    assert found.os == "macOS 27.0"


def test_without_names_the_tiers_come_from_the_chip():
    said = recorded("sysctl_machine_m5_pro.txt")
    nameless = "\n".join(line for line in said.splitlines() if ".name:" not in line)
    found = machine.apple("x", programs(MAC | {"sysctl": nameless}))
    assert found.tiers == (CoreTier("super", 5), CoreTier("performance", 10))


def test_what_may_be_wired_is_set_by_a_person_or_said_by_metal():
    said = recorded("sysctl_machine_m5_pro.txt")
    set_by_hand = said.replace("wired_limit_mb: 0", "wired_limit_mb: 40000")
    found = machine.apple("x", programs(MAC | {"sysctl": set_by_hand}))
    assert found.recommended_working_set_bytes == 40000 * 2**20

    def with_mlx(arguments, timeout_s):
        return b"38654705664\n" if "mlx.core" in arguments[-1] else programs(MAC)(arguments, 1)

    assert machine.apple("x", with_mlx).recommended_working_set_bytes == 38654705664


def test_an_intel_mac_is_no_apple_silicon():
    said = "machdep.cpu.brand_string: Intel(R) Core(TM) i9\nhw.memsize: 17179869184\n"
    found = machine.apple("x", programs(MAC | {"sysctl": said}))
    assert not found.apple_silicon
    assert found.gpu is None


def test_a_mac_that_says_nothing_has_nothing():
    found = machine.apple("x", programs({}))
    assert (found.chip, found.memory_bytes, found.tiers, found.gpu_cores) == (None, None, (), None)


@pytest.mark.parametrize(
    ("name", "begin"),
    [("Bobs-Mac.local", "bobs-mac-"), ("ÄÖ", "host-"), ("", "host-"), ("a" * 90, "a" * 40 + "-")],
)
def test_an_id_is_readable_and_of_this_machine_alone(name: str, begin: str):
    assert machine.host_id(name, "one").startswith(begin)
    assert machine.host_id(name, "one") != machine.host_id(name, "two")
    assert machine.host_id(name, "one\n") == machine.host_id(name, "one")


def test_a_machine_without_an_id_keeps_the_one_it_was_given(tmp_path: Path):
    kept, none = tmp_path / "run" / "host-id", tmp_path / "none"
    first = machine.machine_id(kept, etc=none)
    assert machine.machine_id(kept, etc=none) == first
    assert len(first) == 32


def test_an_empty_id_that_a_crash_left_is_no_id(tmp_path: Path):
    kept = tmp_path / "host-id"
    kept.write_text("")
    assert len(machine.machine_id(kept, etc=tmp_path / "none")) == 32
    assert [p.name for p in tmp_path.iterdir()] == ["host-id"]


def test_a_machine_that_is_renamed_stays_the_machine_it_was(tmp_path: Path):
    kept = tmp_path / "host-id"
    first = machine.own_id(kept, name="bobs-macbook.local")
    assert first.startswith("bobs-macbook-")
    assert machine.own_id(kept, name="dhcp-10-0-7-31.office.example") == first
    assert machine.describe(kept).host == first


def test_a_folder_that_was_copied_to_another_machine_does_not_bring_its_id(monkeypatch, tmp_path):
    kept = tmp_path / "host-id"
    monkeypatch.setattr(machine, "machine_id", lambda *_: "one")
    first = machine.own_id(kept, name="bob")
    monkeypatch.setattr(machine, "machine_id", lambda *_: "two")
    assert machine.own_id(kept, name="bob") != first
    assert machine.own_id(kept, name="carol").startswith("bob-")


def test_an_id_that_cannot_be_kept_is_told_all_the_same(tmp_path: Path):
    nowhere = tmp_path / "none" / "host-id"
    assert machine.own_id(nowhere, name="bob").startswith("bob-")
    assert not nowhere.parent.exists()


def test_this_machine_is_described(tmp_path: Path):
    found = machine.describe(tmp_path / "host-id")
    assert found.memory_bytes
    assert found.memory_bytes > 2**28
    assert sum(tier.cores for tier in found.tiers) >= 1
