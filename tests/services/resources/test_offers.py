"""What administrators said of machines: kept whole, read again when changed, and what follows."""

import json
import logging
import os
from pathlib import Path

import pytest

from services.errors import PlatformError
from services.resources.capacity import Rule, capacities, given, least_bytes, ruled, with_here
from services.resources.models import GIB
from services.resources.offers import Offer, Offers
from tests.services.resources.machines import NOW, mac, state


@pytest.fixture
def offers(tmp_path: Path) -> Offers:
    return Offers(tmp_path / "machines.json")


TWO = Offer("studio", 2, 20 * GIB, 60.0, "ann", 5.0)


def test_the_newest_counts_and_is_kept_over_a_restart(offers: Offers, tmp_path: Path):
    assert offers.read() == ()
    assert offers.put(TWO) is None
    assert offers.put(Offer("mini", 0)) is None
    assert offers.put(Offer("studio", 3, by="bob")) == TWO
    again = Offers(tmp_path / "machines.json")
    assert again.of("studio") == Offer("studio", 3, by="bob")
    assert again.rules() == {"mini": Rule(gpu_slots=0), "studio": Rule(gpu_slots=3)}


def test_what_says_nothing_takes_the_offer_away_and_it_can_be_put_back(offers: Offers):
    offers.put(TWO)
    before = offers.put(Offer("studio"))
    assert offers.of("studio") is None
    offers.restore("studio", before)
    assert offers.of("studio") == TWO
    offers.restore("studio", None)
    assert offers.read() == ()


def test_it_is_read_again_only_when_it_is_another_file(
    offers: Offers, monkeypatch: pytest.MonkeyPatch
):
    assert offers.rules() == {}
    offers.put(TWO)
    reads = []
    read = offers._file.read
    monkeypatch.setattr(offers._file, "read", lambda: reads.append(1) or read())  # type: ignore[func-returns-value]
    assert [offers.rules()["studio"].gpu_slots for _ in range(3)] == [2, 2, 2]
    assert len(reads) == 1
    offers.put(Offer("studio", 4))
    assert offers.rules()["studio"].gpu_slots == 4
    offers._path.unlink()
    assert offers.rules() == {}


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        '{"offers": [{"host": "studio", "gpu_slots": 65}]}',
        '{"offers": [{"host": "studio", "gpu_slots": true}]}',
        '{"offers": [{"host": "studio", "memory_bytes": -1}]}',
        '{"offers": [{"host": "studio", "memory_bytes": 1.5}]}',
        '{"offers": [{"host": "studio", "power_w": 0}]}',
        '{"offers": [{"host": "studio", "power_w": "much"}]}',
        '{"offers": [{"host": 3}]}',
        '{"offers": [{"host": "studio", "colour": "red"}]}',
    ],
)
def test_a_damaged_file_is_set_aside_and_said(
    offers: Offers, said: str, caplog: pytest.LogCaptureFixture
):
    offers._path.write_text(said)
    with caplog.at_level(logging.WARNING):
        assert offers.rules() == {}
    assert "set aside as machines.json.broken-" in caplog.text
    assert "Machines offer what was measured" in caplog.text
    assert offers.rules() == {}
    offers.put(TWO)
    assert offers.rules() == {"studio": TWO.rule}


def test_a_file_of_somebody_else_is_a_sentence(offers: Offers, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    offers.put(TWO)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(PlatformError, match=r"cannot be read: Permission denied"):
        offers.rules()


def test_it_is_one_document_with_a_version(offers: Offers):
    offers.put(TWO)
    document = json.loads(offers._path.read_text())
    assert document["v"] == 1
    assert [one["host"] for one in document["offers"]] == ["studio"]


# What follows for a machine


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(gpu_slots=1), "1 heavy slot"),
        (Rule(20 * GIB, 2), "2 heavy slots and 20.0 GB of memory"),
        (Rule(20 * GIB, 2, 60), "2 heavy slots, 20.0 GB of memory and 60 W"),
        (Rule(), ""),
    ],
)
def test_a_rule_in_words(rule: Rule, told: str):
    assert given(rule) == told


def test_what_no_rule_speaks_of_stays_as_measured():
    own = mac(memory_gb=30)
    assert ruled(own, None) is own
    assert ruled(own, Rule()) is own
    two = ruled(own, Rule(gpu_slots=2))
    assert (two.memory_bytes, two.gpu_slots, two.power_w) == (30 * GIB, 2, None)
    assert two.given == "An administrator gave 2 heavy slots."
    none = ruled(own, Rule(0, 0))
    assert (none.memory_bytes, none.gpu_slots) == (0, 0)


def test_a_rule_makes_no_silent_machine_present():
    (found,) = capacities([state(36, silent_s=600)], NOW, {"studio": Rule(gpu_slots=2)})
    assert (found.gpu_slots, found.absent) == (2, "it has been silent for 10 min")


def test_this_machine_has_its_rule_before_any_telemetry():
    (plain,) = with_here((), "studio")
    (found,) = with_here((), "studio", {"studio": Rule(GIB, 3, 40.0)})
    assert (found.memory_bytes, found.gpu_slots, found.power_w) == (GIB, 3, 40.0)
    assert (plain.gpu_slots, plain.given) == (1, "")
    assert found.available_bytes is not None
    assert least_bytes(platform=True) == 5 * GIB
