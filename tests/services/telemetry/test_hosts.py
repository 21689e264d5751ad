"""The list of hosts, their processes by owner, and readers beside a writer and a merge."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engines.silicon.models import (
    CoreTier,
    Machine,
    ProcessUse,
    ProviderState,
    Reading,
    Sample,
)
from services.errors import InputError
from services.telemetry.folder import HostFolder
from services.telemetry.models import HostState, Telemetry, Writer
from services.telemetry.store import Store
from tests.services.telemetry.samples import (
    HOST,
    at,
    floor,
    kept,
    measured,
    sample,
    store,
    unavailable,
    watts,
)

MACHINE = Machine(
    HOST, "Apple M4 Pro", apple_silicon=True, os="macOS 26.1", model="Mac16,8",
    tiers=(CoreTier("performance", 8, 4512.0), CoreTier("efficiency", 4)), gpu="Apple M4 Pro",
    gpu_cores=16, memory_bytes=48 << 30, recommended_working_set_bytes=36 << 30,
)  # fmt: skip
PROVIDERS = (
    ProviderState("macmon", "0.8.2", usable=True, gives=("cpu_w", "gpu_w")),
    ProviderState("actop", reason="It is not installed.", hint="`pip install actop`"),
)


def both(place: Store) -> tuple[Writer, Telemetry]:
    return place, place


def test_a_host_is_its_machine_and_the_newest_of_each_metric(tmp_path: Path):
    writer, _ = both(store(tmp_path))
    writer.introduce(MACHINE, PROVIDERS)
    reader = store(tmp_path)
    assert reader.hosts() == (HostState(MACHINE, None, (), (), PROVIDERS),)
    use = ProcessUse(7, 1.5, "python", "run:r1", "p", 0.25, None, 4096, 1, 2, 3)
    writer.append(sample(0, measured("disk_free_bytes", 5.0), measured("cpu_w", 1.0)))
    writer.append(sample(4, measured("cpu_w", 2.0), unavailable("gpu_w", "asleep"), window_s=4.0))
    writer.append(sample(8, measured("cpu_w", 3.0), window_s=4.0, processes=(use,)))
    wanted = HostState(
        MACHINE,
        at(8),
        (measured("disk_free_bytes", 5.0), measured("cpu_w", 3.0), unavailable("gpu_w", "asleep")),
        (use,),
        PROVIDERS,
        4.0,
    )
    (found,) = reader.hosts()
    assert sorted(found.readings, key=str) == sorted(wanted.readings, key=str)
    assert found.processes == wanted.processes
    assert (found.last_at, found.interval_s, found.providers) == (at(8), 4.0, PROVIDERS)
    store_ = writer
    assert isinstance(store_, Store)
    store_.merge()
    assert reader.hosts() == (found,)
    store_.close()


def test_a_machine_that_says_what_changed_is_shown_so(tmp_path: Path):
    place = store(tmp_path)
    place.append(watts(0, 1.0))
    assert place.hosts()[0].machine == Machine(HOST, None, apple_silicon=False, os="")
    place.introduce(MACHINE, PROVIDERS[:1])
    assert place.hosts()[0].machine == MACHINE
    assert place.hosts()[0].providers == PROVIDERS[:1]
    with pytest.raises(InputError, match="without a name"):
        place.introduce(Machine(" ", None, apple_silicon=False, os=""), ())
    place.close()


def test_a_damaged_introduction_is_set_aside_and_the_samples_stay(tmp_path: Path):
    place = store(tmp_path)
    place.introduce(MACHINE, PROVIDERS)
    place.append(watts(0, 1.0))
    (tmp_path / HOST / "machine.json").write_text('{"machine": 3')
    assert place.hosts()[0].last_at == at(0)
    assert "sampler writes it anew" in place.problems()[0]
    place.introduce(MACHINE, PROVIDERS)
    assert place.hosts()[0].machine == MACHINE
    place.close()


def test_no_telemetry_is_no_hosts(tmp_path: Path):
    place = store(tmp_path / "nothing")
    assert place.hosts() == ()
    assert place.events(at(0), at(1)) == ()
    assert place.problems() == ()
    assert not (tmp_path / "nothing").exists(), "a reader makes no folders"


Key = tuple[datetime, str, str]
Figures = list[float | None]


def uses() -> st.SearchStrategy[tuple[ProcessUse, ...]]:
    thousandths = st.one_of(st.none(), st.integers(0, 4000).map(lambda n: n / 1000))
    sizes = st.one_of(st.none(), st.integers(0, 2**40))
    one = st.builds(
        ProcessUse,
        st.integers(1, 6),
        st.sampled_from([1.5, 1_793_700_000.123456]),
        st.just("python"),
        st.sampled_from(["run:a", "run:b", "engine:ray", ""]),
        st.sampled_from(["", "p"]),
        thousandths,
        thousandths,
        *[sizes] * 4,
    )
    return st.lists(one, max_size=5, unique_by=lambda p: (p.pid, p.started_at)).map(tuple)


@pytest.mark.full
@given(
    st.lists(st.tuples(st.integers(0, 4000), uses()), min_size=1, max_size=30),
    st.integers(0, 30),
    st.sampled_from([60, 120, 3600]),
)
def test_owners_used_what_a_plain_loop_adds_up(
    taken: list[tuple[int, tuple[ProcessUse, ...]]], merge_at: int, width: int
):
    with tempfile.TemporaryDirectory() as folder:
        place = store(Path(folder))
        newest = {}
        for number, (seconds, processes) in enumerate(taken):
            if number == merge_at:
                place.merge()
            one = sample(seconds * 2, measured("cpu_w", 1.0), processes=processes)
            place.append(one)
            newest[one.at] = one
        wanted = [by_pid(newest[t]) for t in sorted(newest)]
        assert list(place.samples(HOST, at(-1), at(9000))) == wanted
        if merge_at % 2:
            place.merge()
            assert list(place.samples(HOST, at(-1), at(9000))) == wanted
        found = place.owners(HOST, at(0), at(7200), points=7200 // width)
        assert {one.bucket_s for one in found} <= {float(width)}
        read = {
            (one.at, one.owner, one.project): (
                one.cpu_s, one.gpu_s, one.memory_bytes, one.mlx_active_bytes,
                one.mlx_peak_bytes, one.mlx_cache_bytes,
            )
            for one in found
        }  # fmt: skip
        assert len(read) == len(found)
        wanted_uses = plain_owners(newest.values(), width)
        assert read.keys() == wanted_uses.keys()
        for key, figures in wanted_uses.items():
            assert list(read[key]) == [
                f if f is None or n > 1 else pytest.approx(f) for n, f in enumerate(figures)
            ]
        place.close()


def by_pid(one: Sample) -> Sample:
    return replace(one, processes=tuple(sorted(one.processes, key=lambda p: (p.pid, p.started_at))))


def plain_owners(samples: Iterable[Sample], width: int) -> dict[Key, Figures]:
    sums: dict[Key, Figures] = {}
    for one in samples:
        if at(0) <= one.at < at(7200):
            for key, figures in in_one(one, width).items():
                before = sums.get(key, [None] * 6)
                sums[key] = [
                    *map(added, before[:2], figures[:2]),
                    *map(most, before[2:], figures[2:]),
                ]
    return sums


def in_one(one: Sample, width: int) -> dict[Key, Figures]:
    found: dict[Key, Figures] = {}
    for p in one.processes:
        key = floor(one.at, width), p.owner, p.project
        mlx = p.mlx_active_bytes, p.mlx_peak_bytes, p.mlx_cache_bytes
        figures = [p.cpu_s, p.gpu_s, p.memory_bytes, *mlx]
        found[key] = [*map(added, found.get(key, [None] * 6), figures)]
    return found


def added(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


def most(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else max(one, other)


READER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from services.telemetry.store import Store
store = Store(Path(sys.argv[1]))
begin = datetime.fromisoformat(sys.argv[2])
end = begin + timedelta(hours=4)
least = rounds = 0
while least < int(sys.argv[3]):
    samples = store.samples("mac-a", begin, end)
    values = [one.readings[0].value for one in samples]
    assert values == [float(n) for n in range(len(values))], "a hole"
    assert len(values) >= least, "fewer than before"
    least = len(values)
    series, = store.series("mac-a", ["cpu_w"], begin, end, points=240)
    known = [v for v in series.high if v is not None]
    assert known == sorted(known) and (not known or known[-1] >= least - 1), "a chart behind"
    rounds += 1
print(rounds)
"""


@pytest.mark.engine
def test_a_reader_in_another_process_sees_all_at_any_time_while_it_is_written_and_merged(
    tmp_path: Path,
):
    """The writer closes an hour every few hundred samples and merges in its own process."""
    begin = floor(datetime.now(UTC) - timedelta(hours=5), 3600)
    total = 2000
    place = Store(tmp_path)
    one = Sample(HOST, begin, 7.0, (measured("cpu_w", 0.0),))
    place.append(one)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path), begin.isoformat(), str(total)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for n in range(1, total):
        moment = begin + timedelta(seconds=7 * n)
        place.append(Sample(HOST, moment, 7.0, (measured("cpu_w", float(n)),)))
    for reader in readers:
        said, error = reader.communicate(timeout=60)
        assert reader.returncode == 0, error
        assert int(said) >= 1
    place.close()
    place.merge()
    assert sorted(path.name for path in (tmp_path / HOST / "open").iterdir()) == []
    assert len(list((tmp_path / HOST / "full").iterdir())) == 4


@pytest.mark.parametrize("what", ["close", "merge"])
def test_a_segment_that_is_closed_or_merged_while_it_is_looked_for_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    place = store(tmp_path)
    place.append(watts(0, 1.0))
    listed = HostFolder.segments

    def overtaken(folder: HostFolder, suffix: str = "") -> list[Path]:
        found = listed(folder, suffix)
        monkeypatch.setattr(HostFolder, "segments", listed)
        getattr(place, what)()
        return found

    monkeypatch.setattr(HostFolder, "segments", overtaken)
    assert store(tmp_path).samples(HOST, at(0), at(1)) == (kept(watts(0, 1.0)),)
    place.close()


def test_the_writing_side_loads_nothing_heavy():
    program = (
        "import sys, services.telemetry.store;"
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'duckdb', 'sqlalchemy', 'pydantic'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_reading_is_kept_with_its_window_and_source(tmp_path: Path):
    place = store(tmp_path)
    said = sample(
        0,
        Reading("cpu_w", 1.5, "estimated", "ours", "from the load", 2.0),
        Reading("gpu_w", 2.5, "measured", "zeus", "", 10.04),
        Reading("ane_w", 0.0, "measured", "zeus"),
    )
    place.append(said)
    (read,) = place.samples(HOST, at(0), at(1))
    assert read.readings[0] == said.readings[0]
    assert read.readings[1].window_s == 10.0
    assert read.readings[2] == said.readings[2]
    assert place.samples(HOST, at(0), at(1), ["ane_w"])[0].readings == said.readings[2:]
    assert kept(said).readings[0].value == 1.5
    place.close()
