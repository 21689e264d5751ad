import contextlib
import json
import tracemalloc
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engines.silicon.models import ProcessUse
from services.errors import InputError
from services.telemetry.batches import (
    SAMPLES_AT_MOST,
    TEXT_LIMIT_BYTES,
    Batch,
    encode,
    pack,
    unpack,
)
from services.telemetry.documents import FieldError
from tests.services.telemetry.machines import MAC, PROVIDER, sample

WORK = (
    ProcessUse(7, 1.5, "python", "run:r1", "clip", 1.25, 0.5, 100, 1, 2, 3),
    ProcessUse(8, 2.5, "other"),
)


def document(**changes: Any) -> dict[str, Any]:
    packed = pack(MAC, (PROVIDER,), [encode(replace(sample(2), processes=WORK))])
    made: dict[str, Any] = json.loads(zlib.decompress(packed))
    return made | changes


def refused(said: object) -> FieldError:
    with pytest.raises(FieldError) as caught:
        unpack(json.dumps(said).encode(), compressed=False)
    return caught.value


def test_a_batch_comes_out_as_it_went_in_and_in_order():
    samples = [replace(sample(seconds), processes=WORK) for seconds in (4, 2)]
    got = unpack(pack(MAC, (PROVIDER,), [encode(one) for one in samples]), compressed=True)
    assert got == Batch(MAC, (PROVIDER,), (samples[1], samples[0]))


def test_a_time_of_another_zone_is_the_same_moment():
    said = document()
    said["samples"][0]["at"] = "2026-11-03T12:00:02+02:00"
    got = unpack(json.dumps(said).encode(), compressed=False)
    assert got.samples[0].at == sample(2).at
    assert got.samples[0].at.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("path", "value", "field", "said"),
    [
        (("machine",), None, "machine", "must be an object"),
        (("machine",), 5, "machine", "must be an object"),
        (("machine", "host"), "../../etc", "machine.host", "not of the form"),
        (("machine", "host"), "x" * 90, "machine.host", "longer than 80"),
        (("machine", "apple_silicon"), "yes", "machine.apple_silicon", "true or false"),
        (("machine", "gpu_cores"), 1.5, "machine.gpu_cores", "whole number"),
        (("machine", "memory_bytes"), -1, "machine.memory_bytes", "between 0 and"),
        (("machine", "tiers", 0, "name"), "turbo", "machine.tiers[0].name", "must be one of"),
        (("machine", "tiers"), [{}] * 9, "machine.tiers", "9 elements"),
        (("providers",), {}, "providers", "must be a list"),
        (("providers", 0, "gives"), ["A B"], "providers[0].gives[0]", "not of the form"),
        (("samples",), "none", "samples", "must be a list"),
        (("samples", 0, "at"), "today", "samples[0].at", "must be a time"),
        (("samples", 0, "at"), "2026-11-03T12:00:02", "samples[0].at", "time zone"),
        (("samples", 0, "at"), 1e9, "samples[0].at", "must be a text"),
        (("samples", 0, "window_s"), None, "samples[0].window_s", "must be a number"),
        (("samples", 0, "window_s"), -2, "samples[0].window_s", "between 0"),
        (("samples", 0, "window_s"), True, "samples[0].window_s", "must be a number"),
        (("samples", 0, "readings"), [], "samples[0].readings", "must be an object"),
        (("samples", 0, "readings", "CPU W"), {}, "samples[0].readings", "is no name"),
        (("samples", 0, "readings", "cpu_w", "value"), "4", "samples[0].readings.cpu_w.value",
         "must be a number"),
        (("samples", 0, "readings", "cpu_w", "value"), None, "samples[0].readings.cpu_w.value",
         "exactly when"),
        (("samples", 0, "readings", "gpu_mhz", "value"), 0, "samples[0].readings.gpu_mhz.value",
         "exactly when"),
        (("samples", 0, "readings", "cpu_w", "quality"), "good",
         "samples[0].readings.cpu_w.quality", "must be one of"),
        (("samples", 0, "readings", "cpu_w", "reason"), "x" * 501,
         "samples[0].readings.cpu_w.reason", "longer than"),
        (("samples", 0, "processes", 1, "pid"), "8", "samples[0].processes[1].pid", "whole"),
        (("samples", 0, "processes", 0, "cpu_s"), -1, "samples[0].processes[0].cpu_s", "between"),
        (("samples", 0, "processes", 0, "owner"), 5, "samples[0].processes[0].owner", "a text"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(path, value, field, said):
    made = document()
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    error = refused(made)
    assert error.field == field
    assert said in error.message
    assert error.message.startswith(field)


def test_too_many_samples_readings_or_processes_are_refused():
    made = document()
    assert refused(made | {"samples": made["samples"] * (SAMPLES_AT_MOST + 1)}).field == "samples"
    made["samples"][0]["readings"] = {f"m{n}": {} for n in range(201)}
    assert refused(made).field == "samples[0].readings"
    made = document()
    made["samples"][0]["processes"] = [{}] * 1001
    assert refused(made).field == "samples[0].processes"


@pytest.mark.parametrize(
    ("body", "compressed", "said"),
    [
        (b"", False, "no JSON"), (b"{", False, "no JSON"), (b"[]", False, "no JSON object"),
        (b'{"machine": NaN}', False, "no JSON"), (b"[" * 100_000, False, "no JSON"),
        (b"\xff", False, "no JSON"), (b"{}", True, "not compressed as its header says"),
        (zlib.compress(b"{}" * 1000)[:-8], True, "ends too early"),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_a_sentence(body, compressed, said):
    with pytest.raises(InputError, match=said):
        unpack(body, compressed=compressed)


@pytest.mark.full
def test_a_small_body_that_unpacks_to_a_large_one_is_not_unpacked_whole():
    body = zlib.compress(b" " * (200 << 20), 9)
    assert len(body) < 1 << 20
    tracemalloc.start()
    with pytest.raises(InputError, match=f"larger than {TEXT_LIMIT_BYTES >> 20} MB"):
        unpack(body, compressed=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * TEXT_LIMIT_BYTES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = st.sampled_from([
    ("machine",), ("providers",), ("samples",), ("machine", "tiers"), ("machine", "host"),
    ("samples", 0), ("samples", 0, "readings"), ("samples", 0, "processes"), ("samples", 0, "at"),
    ("samples", 0, "readings", "cpu_w"), ("samples", 0, "processes", 0),
])  # fmt: skip


@given(place=PLACES, value=JSON)
def test_whatever_stands_anywhere_is_a_batch_or_a_sentence(place, value):
    made = document()
    at: Any = made
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with contextlib.suppress(InputError):  # and nothing else is raised
        unpack(json.dumps(made).encode(), compressed=False)
