"""Events: read off the samples wherever they are, and what others noted."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engines.silicon.models import Sample
from services.errors import InputError
from services.telemetry.models import Event
from tests.services.telemetry.samples import (
    HOST,
    Clock,
    at,
    measured,
    sample,
    store,
    unavailable,
)

ALWAYS = at(-1e6), at(1e6)
BOUNDS = {"thermal_level": 1, "low_power_mode": 1, "memory_pressure": 2, "on_battery": 1}
KINDS = {
    "thermal_level": ("throttling.began", "throttling.ended"),
    "low_power_mode": ("low_power.on", "low_power.off"),
    "memory_pressure": ("pressure.rose", "pressure.fell"),
    "on_battery": ("battery.on", "battery.off"),
}


def plain(samples: list[Sample], now_s: float) -> Iterator[tuple[float, str]]:
    """Yield seconds and kind, walking over the samples one by one."""
    ordered = sorted({one.at: one for one in samples}.values(), key=lambda one: one.at)
    above = dict.fromkeys(BOUNDS, False)
    before = None
    for one in ordered:
        seconds = (one.at - at(0)).total_seconds()
        if before is None:
            yield seconds, "host.joined"
        elif seconds - before > 60:
            yield before, "host.lost"
            yield seconds, "host.joined"
        before = seconds
        for name, bound in BOUNDS.items():
            reading = one.reading(name)
            if reading and reading.value is not None and (reading.value >= bound) != above[name]:
                above[name] = not above[name]
                yield seconds, KINDS[name][not above[name]]
    if before is not None and now_s - before > 60:
        yield before, "host.lost"


def states() -> st.SearchStrategy[list[Sample]]:
    moments = st.one_of(st.integers(0, 90), st.integers(0, 30_000)).map(lambda n: n * 2.0)
    reading = st.one_of(
        st.builds(
            lambda n, v: measured(n, float(v)), st.sampled_from([*BOUNDS]), st.integers(0, 4)
        ),
        st.sampled_from([*BOUNDS]).map(lambda n: unavailable(n, "no answer")),
    )
    readings = st.lists(reading, max_size=3, unique_by=lambda r: r.metric)
    return st.lists(
        st.builds(lambda s, r: sample(s, *r), moments, readings), min_size=1, max_size=40
    )


@given(states(), st.integers(0, 40), st.integers(0, 70_000), st.integers(1, 70_000))
@settings(max_examples=80)
def test_events_are_what_a_plain_walk_over_the_samples_finds(
    samples: list[Sample], merge_at: int, begin: int, length: int
):
    with tempfile.TemporaryDirectory() as folder:
        place = store(Path(folder))
        for number, one in enumerate(samples):
            if number == merge_at:
                place.merge()
            place.append(one)
        wanted = sorted(
            (seconds, kind)
            for seconds, kind in plain(samples, 86_400)
            if begin <= seconds < begin + length
        )
        found = place.events(at(begin), at(begin + length), host=HOST)
        assert [((e.at - at(0)).total_seconds(), e.kind) for e in found] == wanted
        place.close()


def test_throttling_names_its_level_and_ends(tmp_path: Path):
    place = store(tmp_path, Clock(at(8)))
    for n, level in enumerate((0.0, 2.0, 1.0, 0.0)):
        place.append(sample(n * 2, measured("thermal_level", level)))
    assert [(e.at, e.title) for e in place.events(*ALWAYS)] == [
        (at(0), "mac-a reports"),
        (at(2), "Throttling began (thermal level 2)"),
        (at(6), "Throttling ended"),
    ]
    place.close()


def test_a_silent_host_is_lost_until_it_is_back(tmp_path: Path):
    clock = Clock(at(30))
    place = store(tmp_path, clock)
    place.append(sample(0, measured("cpu_w", 1.0)))
    assert [e.kind for e in place.events(*ALWAYS)] == ["host.joined"]
    clock.at = at(61)
    assert [(e.kind, e.at) for e in place.events(*ALWAYS)] == [
        ("host.joined", at(0)), ("host.lost", at(0)),
    ]  # fmt: skip
    place.append(sample(61, measured("cpu_w", 1.0)))
    place.merge()
    assert [(e.kind, e.at) for e in place.events(*ALWAYS)] == [
        ("host.joined", at(0)), ("host.lost", at(0)), ("host.joined", at(61)),
    ]  # fmt: skip
    place.close()


def test_what_others_note_stands_among_them_each_once(tmp_path: Path):
    place, other = store(tmp_path), store(tmp_path)
    place.append(sample(0, measured("on_battery", 1.0)))
    deploy = Event(at(10), HOST, "deploy", "sentiment 3 to champion", "sentiment--3")
    other.note(deploy)
    other.note(deploy)
    month = Event(at(40 * 86_400), HOST, "run.ended", "next month", "abc")
    other.note(month)
    found = place.events(at(0), at(86_400))
    assert [e.kind for e in found] == ["battery.on", "host.joined", "host.lost", "deploy"]
    assert found[-1] == deploy
    assert place.events(at(40 * 86_400), at(41 * 86_400), host=HOST) == (month,)
    place.close()


def test_a_torn_note_costs_itself_alone(tmp_path: Path):
    place = store(tmp_path)
    first = Event(at(1), HOST, "deploy", "one")
    place.note(first)
    (path,) = (tmp_path / HOST / "notes").iterdir()
    path.write_bytes(path.read_bytes() + b'[17936640000000, "deploy", "tor')
    second = Event(at(2), HOST, "deploy", "two")
    place.note(second)
    assert place.events(*ALWAYS) == (first, second)


def test_a_note_without_a_zone_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="without a zone"):
        store(tmp_path).note(Event(at(0).replace(tzinfo=None), HOST, "deploy", "x"))


def test_events_of_all_hosts_come_in_order(tmp_path: Path):
    place = store(tmp_path)
    for n in (0, 2, 4):
        host = f"mac-{'abc'[n // 2]}"
        place.append(sample(4 - n, measured("cpu_w", 1.0), host=host))
    joined = [e for e in place.events(*ALWAYS) if e.kind == "host.joined"]
    assert [e.host for e in joined] == ["mac-c", "mac-b", "mac-a"]
    assert joined[0].at + timedelta(seconds=4) == joined[-1].at
    place.close()
