"""What a version takes, whether it fits, by how much it does not, and what would make room."""

import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InputError
from services.resources.ledger import Ledger
from services.resources.models import GIB, Capacity, Lease, Needs
from services.serving import estimating, planner
from services.serving.backends import Machine
from services.serving.eviction import Candidate
from services.serving.measured import Base, Measurement
from services.serving.models import Backend, BundleInfo, Field
from services.serving.planner import Wish, estimate, outlook, plan
from tests.services.resources.machines import lease, mac

MIB = 1024**2
NOW = 1_000_000.0
INFO = BundleInfo(
    "lora", "texts", 2, "classifier", "safetensors",
    (Field("text", "BYTES", (-1,)),), (Field("label", "BYTES", (-1,)),),
    flavor="mlx", weights_bytes=48 * MIB,
)  # fmt: skip
BASE = Base("lora", "lora.serving", "a", 44 * MIB)
SEEN = Measurement(
    "lora", "texts", 2, 48 * MIB, "safetensors", "mlx", 32, 200 * MIB, platform=sys.platform
)
LINUX = Machine("AMD EPYC")


# Estimates


def test_what_was_measured_is_taken_as_it_is():
    found = estimate(INFO, 48 * MIB, "mlx", 32, [SEEN])
    assert (found.bytes, found.low, found.high) == (200 * MIB, 180 * MIB, 220 * MIB)
    assert found.source == "measured"
    assert found.reserve_bytes == 220 * MIB
    assert found.basis == (
        "It is the peak of this version on MLX with batches of 32, measured in a trial."
    )
    served = estimate(INFO, 48 * MIB, "mlx", 32, [replace(SEEN, source="served")])
    assert served.basis.endswith("measured while it served.")


def test_a_new_version_of_the_same_shape_takes_what_the_last_one_took():
    found = estimate(replace(INFO, version=3), 48 * MIB, "mlx", 32, [SEEN])
    assert (found.bytes, found.low, found.high) == (200 * MIB, 170 * MIB, 230 * MIB)
    assert found.source == "alike"
    assert "version 2 of the same model" in found.basis


def test_the_formula_adds_base_weights_batch_and_what_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(estimating.sys, "platform", "linux")
    found = estimate(INFO, 48 * MIB, "mlx", 32, [], base=BASE, half_bytes=48 * MIB)
    assert found.source == "formula"
    assert found.basis == (
        "44 MB for the server and the project's modules (measured), 144 MB for 48 MB of weights "
        "(half precision is widened at load), 7 MB for batches of 32 and 8 MB to run."
    )
    assert found.low < found.bytes < found.high
    blind = estimate(INFO, 48 * MIB, "mlx", 32, [])
    assert "(not measured yet)" in blind.basis
    assert blind.high - blind.low > found.high - found.low


def test_on_metal_the_range_is_wide_and_it_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(estimating.sys, "platform", "darwin")
    found = estimate(INFO, 48 * MIB, "mlx", 32, [], base=BASE, half_bytes=48 * MIB)
    assert found.basis.endswith("What MLX itself takes was not measured here yet.")
    assert found.high > found.bytes + 100 * MIB


@pytest.mark.parametrize("format", ["safetensors", "onnx", "skops", "booster", "other"])
@given(weights=st.integers(0, 64 * GIB), batch=st.integers(1, 512), base=st.integers(1, GIB))
def test_an_estimate_is_a_range_around_its_figure(
    format: str,  # noqa: A002 - as the field
    weights: int,
    batch: int,
    base: int,
):
    info = replace(INFO, format=format, flavor="")
    for known in (None, replace(BASE, peak_rss_bytes=base)):
        found = estimate(info, weights, "cpu", batch, [], base=known)
        assert 0 < found.low <= found.bytes <= found.high
        assert found.bytes >= weights
        more = estimate(info, weights + MIB, "cpu", batch + 1, [], base=known)
        assert more.bytes > found.bytes


def test_how_far_estimates_were_off_is_told_with_them():
    off = replace(SEEN, estimated_bytes=180 * MIB, model="other", platform="linux")
    found = estimate(INFO, 48 * MIB, "mlx", 32, [off])
    assert found.known is not None
    assert found.known.worst == pytest.approx(0.1)
    assert estimate(INFO, 48 * MIB, "mlx", 32, []).known is None
    assert found.said.startswith("One replica takes ")


def test_what_a_person_gives_is_theirs():
    assert planner.by_person(GIB).said == (
        "One replica takes 1.0 GB (between 1.0 GB and 1.0 GB). A person gave it 1.0 GB."
    )


def write_safetensors(path: Path, tensors: dict[str, tuple[str, int]]) -> None:
    header, at = {"__metadata__": {"format": "mlx"}}, 0
    for name, (dtype, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": [size], "data_offsets": [at, at + size]}  # type: ignore[dict-item]
        at += size
    said = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(said)) + said + bytes(at))


def test_half_precision_is_read_from_the_headers(tmp_path: Path):
    assert planner.half_bytes_of(tmp_path) is None
    write_safetensors(tmp_path / "a.safetensors", {"w": ("F16", 100), "b": ("F32", 40)})
    write_safetensors(tmp_path / "b.safetensors", {"w": ("BF16", 20)})
    assert planner.half_bytes_of(tmp_path) == 120


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 16, struct.pack("<Q", 3) + b"{}x", struct.pack("<Q", 8) + b'{"a": 1}',
     struct.pack("<Q", 2) + b"[]"],
)  # fmt: skip
def test_a_header_that_is_none_is_not_believed(tmp_path: Path, content: bytes):
    (tmp_path / "a.safetensors").write_bytes(content)
    assert planner.half_bytes_of(tmp_path) is None


# Plans


def wish(gigabytes: float, replicas: int = 1, host: str | None = None) -> Wish:
    one = planner.by_person(int(gigabytes * GIB))
    return Wish("lora.texts", "lora", 2, one, replicas, host)


def candidate(name: str, gigabytes: float, **changes: object) -> Candidate:
    plain = Candidate(name, 1, "p", int(gigabytes * GIB), 10, NOW - 3600, NOW - 9000)
    return replace(plain, **changes)  # type: ignore[arg-type]


def serves(name: str, gigabytes: float) -> Lease:
    return lease(f"deployment:{name}:1", gigabytes, 0)


def test_what_fits_says_what_stays_free():
    found = plan(wish(4, replicas=2), Ledger((mac(memory_gb=30),)))
    assert found.fits
    assert found.said == (
        "It fits on studio: 8.0 GB for 2 replicas (4.0 GB a replica); 22.0 GB stay free."
    )
    assert (found.needs_bytes, found.free_bytes, found.host) == (8 * GIB, 30 * GIB, "studio")
    assert found.short_bytes == 0
    assert found.would_make_room == ()


def test_serving_takes_no_heavy_slot():
    assert plan(wish(4), Ledger((mac(),), (lease("task:a", 8),))).fits


def test_its_own_lease_is_not_held_against_it():
    ledger = Ledger((mac(memory_gb=10),), (lease("deployment:lora.texts:2", 8, 0),))
    assert plan(wish(9), ledger).fits
    assert not plan(replace(wish(9), version=3), ledger).fits


def test_idle_endpoints_would_make_room_in_the_order_they_would_go():
    held = (serves("p.old", 6), serves("p.used", 6), serves("p.hot", 10))
    others = [
        candidate("p.hot", 10, last_at=NOW - 1), candidate("p.used", 6, requests_hour=500),
        candidate("p.old", 6),
    ]  # fmt: skip
    found = plan(wish(13), Ledger((mac(memory_gb=30),), held), others, NOW)
    assert not found.fits
    assert found.short_bytes == 5 * GIB
    assert found.free_bytes == 8 * GIB
    assert found.said.startswith("It lacks 5.0 GB of memory on studio, held by the endpoint p.hot")
    assert found.would_make_room == (
        "Evicting p.old frees 6.0 GB; it wakes with the next request.",
        "p.old version 1 was not asked for 60 min; 10 requests in the last hour for the 6.0 GB it "
        "holds; its project's priority is 5.",
    )


def test_training_would_have_to_pause_where_nobody_idle_has_enough():
    held = (lease("task:train/1", 20), serves("p.old", 2))
    found = plan(wish(12), Ledger((mac(memory_gb=30),), held), [candidate("p.old", 2)], NOW)
    assert found.would_make_room == (
        "Pausing the job train/1, or waiting until it ends, frees 20.0 GB.",
    )
    both = plan(wish(29), Ledger((mac(memory_gb=30),), held), [candidate("p.old", 2)], NOW)
    assert both.would_make_room == (
        "Evicting p.old frees 2.0 GB; it wakes with the next request. That is not enough alone.",
        "Pausing the job train/1, or waiting until it ends, frees 20.0 GB.",
    )


def test_fewer_replicas_that_would_fit_are_named():
    ledger = Ledger((mac(memory_gb=10),), (serves("p.hot", 1),))
    found = plan(wish(2, replicas=5), ledger, [candidate("p.hot", 1, last_at=NOW)], NOW)
    assert found.would_make_room == ("4 replicas would fit now.",)
    one = plan(wish(6, replicas=2), ledger, [], NOW)
    assert one.never
    assert one.would_make_room[0] == "One replica alone would fit now."


def test_when_only_busy_endpoints_have_it_a_person_must_choose():
    held = (serves("p.hot", 8),)
    found = plan(wish(4), Ledger((mac(memory_gb=10),), held), [candidate("p.hot", 8, pinned=True)])
    assert found.would_make_room == (
        "Nobody idle has enough: undeploy or scale down one of the endpoint p.hot:1.",
    )


def test_programs_without_a_lease_are_named():
    full = mac(memory_gb=30, available_bytes=3 * GIB)
    found = plan(wish(4), Ledger((full,)))
    assert (found.short_bytes, found.free_bytes) == (GIB, 3 * GIB)
    assert found.would_make_room == (
        "Nothing of the platform has enough of it: end other programs on studio.",
    )


def test_what_never_fits_is_said_so():
    found = plan(wish(32), Ledger((mac(memory_gb=30),)))
    assert found.never
    assert found.short_bytes == 2 * GIB
    assert found.said.startswith("It can never fit: it needs 32.0 GB of memory, 2.0 GB more")
    assert found.would_make_room == (
        "An administrator can offer more of the 36.0 GB of studio on the page Queue.",
    )
    far = plan(wish(100), Ledger((mac(memory_gb=30),)))
    assert far.would_make_room == (
        "A machine with more memory, fewer weights or smaller batches would do.",
    )


def test_a_machine_nobody_knows_can_be_promised_nothing():
    found = plan(wish(1), Ledger((Capacity("dark", None, said="nobody knows"),)))
    assert not found.fits
    assert found.free_bytes is None
    assert found.never
    nowhere = plan(wish(1, host="gone"), Ledger((mac(),)))
    assert not nowhere.fits
    assert nowhere.free_bytes is None
    assert nowhere.would_make_room == ()


def test_a_silent_machine_is_waited_for():
    found = plan(wish(1), Ledger((mac(absent="it has been silent for 90 s"),)))
    assert not found.fits
    assert found.short_bytes == 0
    assert found.would_make_room == ()


def test_all_endpoints_together_are_planned_no_more_than_the_setting_says():
    ledger = Ledger((mac(memory_gb=30),), (serves("p.old", 6), lease("task:a", 8)))
    others = [candidate("p.old", 6)]
    within = plan(wish(2), ledger, others, NOW, 8 * GIB)
    assert (within.fits, within.free_bytes) == (True, 2 * GIB)
    found = plan(wish(2, replicas=2), ledger, others, NOW, 8 * GIB)
    assert not found.fits
    assert not found.never
    assert (found.short_bytes, found.free_bytes, found.host) == (2 * GIB, 2 * GIB, "studio")
    assert found.said == (
        "It lacks 2.0 GB: endpoints may have 8.0 GB together (serving_memory_gb), and others hold "
        "6.0 GB."
    )
    assert found.would_make_room[0] == (
        "Evicting p.old frees 6.0 GB; it wakes with the next request."
    )
    assert found.would_make_room[2:] == (
        "One replica alone would fit now.",
        "An administrator can raise serving_memory_gb by 2.0 GB.",
    )
    never = plan(wish(9), ledger, others, NOW, 8 * GIB)
    assert never.never
    assert never.would_make_room == ("An administrator can raise serving_memory_gb by 7.0 GB.",)


def test_where_the_ledger_lacks_more_than_the_setting_both_are_said():
    ledger = Ledger((mac(memory_gb=12),), (serves("p.old", 2), lease("task:a", 8)))
    found = plan(wish(7), ledger, [candidate("p.old", 2)], NOW, 8 * GIB)
    assert (found.short_bytes, found.free_bytes) == (5 * GIB, 2 * GIB)
    assert found.said.startswith("It lacks 5.0 GB of memory on studio, held by")
    assert found.said.endswith("(serving_memory_gb), and others hold 2.0 GB.")
    assert found.would_make_room[-1].startswith("Pausing the job a")


sizes = st.lists(st.integers(1, 12), max_size=4)


@given(st.integers(1, 40), st.integers(1, 40), sizes, sizes)
def test_a_plan_is_what_the_ledger_says(
    asked: int, budget: int, serving: list[int], training: list[int]
):
    held = [serves(f"p.{n}", size) for n, size in enumerate(serving)]
    held += [lease(f"task:{n}", size) for n, size in enumerate(training)]
    others = [candidate(f"p.{n}", size) for n, size in enumerate(serving)]
    found = plan(wish(asked), Ledger((mac(memory_gb=budget),), tuple(held)), others, NOW)
    left = budget - sum(serving) - sum(training)
    assert found.fits == (asked <= left)
    if found.fits:
        assert found.free_bytes == left * GIB
        return
    assert found.short_bytes == (asked - (budget if found.never else left)) * GIB
    assert found.would_make_room, "a refusal always says what would help"
    if not found.never and asked - left <= sum(serving):
        assert found.would_make_room[0].startswith("Evicting")


# Everything a page needs


def test_the_outlook_holds_choice_estimate_plan_and_order():
    found = outlook(
        INFO, machine=LINUX, ledger=Ledger((mac(memory_gb=30),)), measurements=[SEEN],
        others=[candidate("p.old", 6), candidate("p.kept", 1, pinned=True)], replicas=2, now=NOW,
    )  # fmt: skip
    assert found.choice.backend == "mlx"
    assert found.plan.fits
    assert found.plan.needs_bytes == 440 * MIB
    assert found.possible == ("mlx",)
    assert [one.name for one in found.evictable] == ["p.old", "p.kept"]
    assert found.error_said == "It was measured, so it is no estimate."


def test_the_outlook_says_how_good_its_estimate_is():
    ledger = Ledger((mac(),))
    fresh = outlook(INFO, machine=LINUX, ledger=ledger, measurements=[])
    assert fresh.error_said == "No estimate was held against a measured peak here yet."
    off = replace(SEEN, estimated_bytes=180 * MIB, model="other", platform="linux")
    known = outlook(INFO, machine=LINUX, ledger=ledger, measurements=[off])
    assert known.error_said.startswith("Of the one estimate without a measurement")
    given_one = outlook(INFO, machine=LINUX, ledger=ledger, measurements=[], memory_bytes=GIB)
    assert given_one.plan.needs_bytes == GIB
    assert given_one.error_said == "It is what a person gave, not an estimate."


def test_the_outlook_knows_of_torch():
    named = replace(INFO, torch_entry="toy.torch:predictor")
    ledger, asked = Ledger((mac(),)), []

    def base(on: Backend) -> Base | None:
        asked.append(on)
        return replace(BASE, peak_rss_bytes=300 * MIB) if on == "cpu" else BASE

    found = outlook(
        named, machine=LINUX, ledger=ledger, measurements=[], override="cpu", torch=True, base=base,
    )  # fmt: skip
    assert (found.choice.backend, found.possible) == ("cpu", ("mlx", "cpu"))
    assert found.estimate.bytes > 300 * MIB
    assert set(asked) == {"cpu"}
    with pytest.raises(InputError, match="not in the project's environment"):
        outlook(
            named, machine=LINUX, ledger=ledger, measurements=[], override="cpu", torch=False
        )  # fmt: skip


def test_an_impossible_backend_is_refused_before_anything_is_planned():
    with pytest.raises(InputError, match="NVIDIA"):
        outlook(
            replace(INFO, format="onnx", flavor="onnx"), machine=LINUX, ledger=Ledger((mac(),)),
            measurements=[], override="cuda",
        )  # fmt: skip


def test_the_lease_is_named_as_the_ledger_knows_it():
    assert planner.lease_id("lora.texts", 2) == "deployment:lora.texts:2"
    assert planner.needs(wish(1, replicas=3)) == Needs(
        3 * GIB, 0, None, "3.0 GB for 3 replicas (1.0 GB a replica)"
    )
