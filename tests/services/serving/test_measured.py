"""What models took is kept by several processes, bounded, and found again."""

import multiprocessing
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.home import Home
from services.serving import measured
from services.serving.measured import (
    Base,
    Measured,
    Measurement,
    alike,
    exact,
    from_memory,
    known_error,
    mark,
)
from services.serving.models import BundleInfo

MIB = 1024**2
INFO = BundleInfo("p", "m", 3, "rows", "safetensors", (), (), weights_bytes=50 * MIB)
SEEN = Measurement(
    "p", "m", 3, 50 * MIB, "safetensors", "mlx", 32, 100 * MIB, 20 * MIB, at=1.0, host="here"
)


@pytest.fixture
def book(tmp_path: Path) -> Measured:
    return Measured.of(Home(tmp_path / "home"))


def test_a_measurement_is_read_back_as_it_was(book: Measured):
    book.note(SEEN)
    assert book.measurements() == (SEEN,)


def test_a_later_peak_raises_it_and_a_lower_one_changes_nothing(book: Measured):
    book.note(replace(SEEN, estimated_bytes=90 * MIB))
    book.note(replace(SEEN, peak_rss_bytes=50 * MIB, at=2.0))
    assert book.measurements()[0].peak_rss_bytes == 100 * MIB
    higher = book.note(replace(SEEN, peak_rss_bytes=120 * MIB, mlx_peak_bytes=None, at=3.0,
                               source="served"))  # fmt: skip
    assert book.measurements() == (higher,)
    assert higher.peak_rss_bytes == 120 * MIB
    assert higher.mlx_peak_bytes == 20 * MIB
    assert higher.estimated_bytes == 90 * MIB
    assert higher.source == "served"


def test_each_of_the_two_peaks_is_the_largest_seen(book: Measured):
    book.note(SEEN)
    merged = book.note(replace(SEEN, peak_rss_bytes=60 * MIB, mlx_peak_bytes=30 * MIB))
    assert (merged.peak_rss_bytes, merged.mlx_peak_bytes) == (100 * MIB, 30 * MIB)


def test_a_peak_that_is_hardly_larger_is_not_written(book: Measured, tmp_path: Path):
    book.note(SEEN)
    before = (tmp_path / "home/serving/measured.json").stat().st_mtime_ns
    book.note(replace(SEEN, peak_rss_bytes=int(100.9 * MIB)))
    assert (tmp_path / "home/serving/measured.json").stat().st_mtime_ns == before


def test_other_batches_backends_and_hosts_are_measurements_of_their_own(book: Measured):
    others = [
        SEEN, replace(SEEN, max_batch=8), replace(SEEN, backend="cpu"),
        replace(SEEN, host="there"), replace(SEEN, version=4),
    ]  # fmt: skip
    for one in others:
        book.note(one)
    assert book.measurements() == tuple(others)


def test_the_file_does_not_grow_without_bound(book: Measured, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measured, "MOST", 3)
    for number in range(5):
        book.note(replace(SEEN, version=number))
        book.note_base(Base(f"p{number}", "m.serving", "a", MIB))
    assert [one.version for one in book.measurements()] == [2, 3, 4]
    assert [one.project for one in book.bases()] == ["p2", "p3", "p4"]


@pytest.mark.parametrize("damage", [b"{", b'{"v": 1}', b'{"measurements": [{"project": 1}]}'])
def test_a_damaged_file_is_set_aside(book: Measured, tmp_path: Path, damage: bytes):
    book.note(SEEN)
    folder = tmp_path / "home/serving"
    (folder / "measured.json").write_bytes(damage)
    assert book.measurements() == ()
    assert [one.name for one in folder.glob("measured.json.broken-*")]
    book.note(SEEN)
    assert book.measurements() == (SEEN,)


@pytest.mark.parametrize(
    "wrong", [{"peak_rss_bytes": -1}, {"peak_rss_bytes": "9"}, {"max_batch": True}, {"at": None}]
)
def test_what_is_no_measurement_is_not_believed(wrong: dict[str, object]):
    with pytest.raises((ValueError, TypeError)):
        measured._measurement({**_said(SEEN), **wrong})


def test_a_base_that_is_none_is_not_believed():
    with pytest.raises(ValueError, match="no base"):
        measured._base({"project": "p", "entry": "e", "mark": "a", "peak_rss_bytes": -1})


def _note(folder: str, first: int) -> None:
    for number in range(first, first + 20):
        Measured(Path(folder)).note(replace(SEEN, version=number))


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A page that was tested before in this process is its main module still, and has no file.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    fresh = multiprocessing.get_context("spawn")
    writers = [fresh.Process(target=_note, args=(str(tmp_path), n)) for n in (0, 100)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert len(Measured(tmp_path).measurements()) == 40


# What it takes of the machine


def test_on_a_mac_what_metal_holds_comes_on_top():
    assert replace(SEEN, platform="linux").peak_bytes == 100 * MIB
    assert replace(SEEN, platform="darwin").peak_bytes == 120 * MIB
    assert replace(SEEN, platform="darwin", backend="cpu").peak_bytes == 100 * MIB
    assert replace(SEEN, platform="darwin", mlx_peak_bytes=None).peak_bytes == 100 * MIB


def test_the_exact_measurement_is_found_and_the_largest_of_several_machines():
    other = replace(SEEN, host="there", peak_rss_bytes=110 * MIB)
    assert exact([SEEN, other], INFO, "mlx", 32) == other
    assert exact([SEEN], INFO, "mlx", 8) is None
    assert exact([SEEN], INFO, "cpu", 32) is None
    assert exact([replace(SEEN, platform="other")], INFO, "mlx", 32) is None


def test_another_version_of_the_same_shape_is_alike():
    newer = replace(INFO, version=4, weights_bytes=int(50.5 * MIB))
    smaller = replace(SEEN, version=1, max_batch=8)
    assert exact([SEEN], newer, "mlx", 32) is None
    assert alike([smaller, SEEN], newer, "mlx", 32) == SEEN
    assert alike([smaller, replace(SEEN, max_batch=64)], newer, "mlx", 32).max_batch == 64  # type: ignore[union-attr]
    assert alike([SEEN], replace(newer, weights_bytes=60 * MIB), "mlx", 32) is None


def test_the_error_is_known_only_where_an_estimate_was_held_against_a_peak():
    assert known_error([SEEN]) is None
    off = [replace(SEEN, estimated_bytes=n * MIB, platform="linux") for n in (110, 99, 140)]
    known = known_error([*off, SEEN])
    assert known is not None
    assert (known.count, known.too_low) == (3, 1)
    assert known.worst == pytest.approx(0.4)
    assert known.said == (
        "Of 3 estimates without a measurement, the median was off the measured peak by 10 % and "
        "the worst by 40 %; 1 of them below it."
    )
    alone = known_error([off[0]])
    assert alone is not None
    assert alone.said.endswith("by 10 % and the worst by 10 %; none was too low.")
    assert replace(SEEN, peak_rss_bytes=0, estimated_bytes=1, platform="linux").error is None


def test_what_a_server_says_of_its_memory_is_a_measurement():
    said = {"rss_bytes": 1, "peak_rss_bytes": 90 * MIB, "mlx_peak_bytes": 5 * MIB}
    seen = from_memory(INFO, "mlx", 8, said, host="here")
    assert seen == Measurement(
        "p", "m", 3, 50 * MIB, "safetensors", "mlx", 8, 90 * MIB, 5 * MIB, sys.platform, "here",
        seen.at if seen else 0, "served",
    )  # fmt: skip
    assert from_memory(INFO, "mlx", 8, {}) is None
    assert from_memory(INFO, "mlx", 8, {"peak_rss_bytes": 0}) is None
    assert from_memory(INFO, "mlx", 8, {"peak_rss_bytes": "9"}) is None
    plain = from_memory(INFO, "cpu", 8, {"peak_rss_bytes": 9, "mlx_peak_bytes": None})
    assert plain is not None
    assert plain.mlx_peak_bytes is None


# Bases


def test_the_newest_base_of_this_environment_is_found(book: Measured):
    book.note_base(Base("p", "lora.serving", "old", 40 * MIB, at=1.0))
    assert book.base("p", "lora.serving", "new") is None
    book.note_base(Base("p", "lora.serving", "new", 44 * MIB))
    found = book.base("p", "lora.serving", "new")
    assert found is not None
    assert (found.peak_rss_bytes, found.platform) == (44 * MIB, sys.platform)
    assert found.at > 0
    assert len(book.bases()) == 1, "an older one of the same module goes"
    assert book.base("p", "lora.serving") == found
    assert book.base("q", "lora.serving") is None


def test_the_mark_changes_with_environment_and_code(tmp_path: Path):
    python = tmp_path / "python"
    first = mark(python, tmp_path, "abc")
    assert first == mark(python, tmp_path, "abc")
    assert first != mark(python, tmp_path, "abd")
    (tmp_path / "requirements.txt").write_text("mlx==1\n")
    assert first != mark(python, tmp_path, "abc")


@settings(max_examples=50)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8))
def test_the_largest_peak_is_kept_to_the_percent(peaks: list[int]):
    known: Measurement | None = None
    for peak in peaks:
        seen = replace(SEEN, peak_rss_bytes=peak * MIB)
        if known is None or measured._more(known, seen):
            known = measured._merged(known, seen)
    assert known is not None
    assert max(peaks) * MIB / 1.01 <= known.peak_rss_bytes <= max(peaks) * MIB


def _said(one: Measurement) -> dict[str, object]:
    return {name: getattr(one, name) for name in Measurement.__dataclass_fields__}
