import pytest

from services.engines.silicon.chips import CHIPS, chip


def test_an_m3_max_by_its_gpu_cores():
    found = chip("Apple M3 Max")
    assert found is not None
    assert found.bandwidth_bytes_s(40) == 400e9
    assert found.bandwidth_bytes_s(30) == 300e9
    assert found.bandwidth_bytes_s(None) is None  # it depends, and nobody told the cores
    assert found.fp32_flops(40) == pytest.approx(14.13e12, rel=0.001)
    assert found.fp32_flops(None) is None


@pytest.mark.parametrize("name", [None, "", "Intel(R) Core(TM) i9", "Apple M9 Giga", "Apple"])
def test_a_chip_that_is_not_listed_is_unknown(name):
    assert chip(name) is None or name == "Apple M9 Giga"
    assert chip("Apple M9 Giga") is None


def test_the_longest_name_wins():
    found = chip("Apple M1 Ultra (Virtual)")
    assert found is not None
    assert found.name == "Apple M1 Ultra"


def test_only_the_newest_have_super_cores():
    assert {c.name for c in CHIPS.values() if c.high == "super"} == {
        "Apple M5",
        "Apple M5 Pro",
        "Apple M5 Max",
    }
