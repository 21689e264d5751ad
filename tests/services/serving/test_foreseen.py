"""What is known of a version before it is packaged, and that MLflow is never waited for long."""

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.errors import BundleError, EngineProtocolError, EngineUnreachableError
from services.home import Home
from services.serving import estimating, foreseen, interface, paths, workbench
from services.serving.foreseen import Foresight, look
from services.serving.measured import Base, Measured, Measurement
from services.serving.models import Target
from services.serving.workbench import Workbench
from tests.services.serving.packages import contract, good, mlmodel, package, project
from tests.workflows.small_mlflow import SmallMLflow

MIB = 1024**2
TOML = """
[project]
name = "toy"
version = "1"

[tool.mlops]
id = "toy"
title = "Toy"
train = "python train.py"
"""


def weights(mib: int, dtype: str = "F16") -> bytes:
    count = mib * MIB
    header = orjson.dumps(
        {"w": {"dtype": dtype, "shape": [count // 2], "data_offsets": [0, count]}}
    )
    return struct.pack("<Q", len(header)) + header + bytes(count)


def registered(files: dict[str, bytes]) -> SmallMLflow:
    known = SmallMLflow()
    known.register("r1", 3, **{name.replace(".", "__"): data for name, data in files.items()})
    return known


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = project(tmp_path / "toy")
    (made / "pyproject.toml").write_text(TOML)
    return made


def test_it_is_what_packaging_makes_of_it_and_the_weights_stay_where_they_are(
    folder: Path, home: Home
):
    files = good() | {"model.safetensors": weights(3), "tokenizer.json": b" " * 300_000}
    known = registered(files)
    found = look(known.adapter(), contract(), folder, "net", 3)
    packed = package(home, files)
    whole = interface.info(packed.manifest, packed.files, contract(), folder)
    of_no_run = {"run_id": None, "git_commit": None, "data_revision": None}
    assert found.info == replace(whole, **of_no_run)
    assert found.info.quantised_bits == 4, "the configuration is read"
    assert found.half_bytes == estimating.half_bytes_of(packed.files) == 3 * MIB
    assert {one.rpartition("/")[2] for one in known.fetched} == {
        "MLmodel", "config.json", "model.safetensors",
    }  # fmt: skip


def test_of_large_weights_only_the_beginning_is_read():
    whole = weights(1) + bytes(MIB)

    class Pieces:
        sent, closed = 0, False

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            self.sent += 1
            return whole[(self.sent - 1) * 10 : self.sent * 10]

        def close(self) -> None:
            self.closed = True

    pieces = Pieces()
    source: Any = type("Source", (), {"content": lambda _, __: pieces})()
    assert foreseen._header(source, "model.safetensors") == weights(1)[: -1 * MIB]
    assert pieces.closed
    assert pieces.sent < 20


def test_what_packaging_would_refuse_is_refused_before(folder: Path):
    with pytest.raises(BundleError, match="which nothing here loads"):
        look(registered(good() | {"MLmodel": mlmodel({"keras": {}})}).adapter(), contract(),
             folder, "net", 3)  # fmt: skip


def test_a_configuration_that_is_no_json_is_left_to_packaging(folder: Path):
    known = registered(good() | {"config.json": b"{"})
    with pytest.raises(EngineProtocolError, match="configuration of net version 3"):
        look(known.adapter(), contract(), folder, "net", 3)


def test_a_size_that_mlflow_does_not_tell_is_not_made_up(folder: Path):
    class Untold(SmallMLflow):
        def _listing(self, folder: str) -> Any:
            status, said = super()._listing(folder)
            for one in said["files"]:
                one.pop("file_size")
            return status, said

    known = Untold(versions=registered(good()).versions, files=registered(good()).files)
    with pytest.raises(EngineProtocolError, match="does not tell how large"):
        look(known.adapter(), contract(), folder, "net", 3)


# The one who asks


class Slow(SmallMLflow):
    """Answers when it is let."""

    let = threading.Event()
    asked = 0

    def answer(self, path: str, query: dict[str, str]) -> Any:
        if path.endswith("get-download-uri"):
            self.asked += 1
            assert self.let.wait(20)
        return super().answer(path, query)


@pytest.fixture
def slow() -> Iterator[Slow]:
    known = registered(good())
    made = Slow(versions=known.versions, files=known.files)
    made.let = threading.Event()
    yield made
    made.let.set()


def test_nobody_waits_longer_than_they_have_patience(slow: Slow, folder: Path):
    asks = Foresight(slow.adapter)
    assert asks.ask(folder, "toy", "net", 3, 0.05) is None
    assert asks.ask(folder, "toy", "net", 3, 0.0) is None
    slow.let.set()
    found = asks.ask(folder, "toy", "net", 3, 20.0)
    assert found is not None
    assert found.info.version == 3
    assert slow.asked == 1, "asked once for all who wait"


def test_it_is_asked_anew_when_a_contract_may_have_changed(slow: Slow, folder: Path):
    slow.let.set()
    now = [0.0]
    asks = Foresight(slow.adapter, now=lambda: now[0])
    for at, count in ((0.0, 1), (59.0, 1), (61.0, 2)):
        now[0] = at
        assert asks.ask(folder, "toy", "net", 3, 20.0) is not None
        assert slow.asked == count, at


def test_an_engine_that_is_away_is_not_asked_by_every_drawing(folder: Path):
    asked, now = [], [0.0]

    def away() -> Any:
        asked.append(now[0])
        raise EngineUnreachableError("MLflow cannot be reached.")

    asks = Foresight(away, now=lambda: now[0])
    for at in (0.0, 1.0, 9.0, 11.0):
        now[0] = at
        with pytest.raises(EngineUnreachableError):
            asks.ask(folder, "toy", "net", 3, 20.0)
    assert asked == [0.0, 11.0]


# The outlook


@pytest.fixture
def bench(home: Home, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    known = registered(good() | {"model.safetensors": weights(64, "F32")})
    monkeypatch.setattr(workbench.Workbench, "_mlflow", lambda _: known.adapter())
    return Workbench(home)


def test_a_version_that_was_never_packaged_has_a_figure_with_what_it_rests_on(
    bench: Workbench, folder: Path
):
    Measured.of(bench.home).note_base(Base("toy", "toy.net", "m", 50 * MIB))
    found = bench.outlook("toy", "net", Target(3), folder=folder)
    assert found is not None
    assert not found.packaged
    assert "was not packaged here yet" in found.rests_on
    assert found.memory_bytes > 114 * MIB
    assert "50 MB for the server and the project's modules (measured)" in found.memory_said
    assert "64 MB of weights" in found.memory_said
    assert found.backend == "mlx"
    assert not paths.bundle(bench.home, "toy", "net", 3).exists(), "nothing was packaged"


def test_what_an_earlier_version_was_measured_to_take_counts(bench: Workbench, folder: Path):
    size = len(weights(64, "F32"))
    seen = Measurement("toy", "net", 2, size, "safetensors", "mlx", 32, 200 * MIB)
    Measured.of(bench.home).note(seen)
    found = bench.outlook("toy", "net", Target(3), folder=folder)
    assert found is not None
    assert "measured peak of version 2 of the same model" in found.memory_said


def test_what_cannot_fit_is_known_before_it_is_packaged(
    bench: Workbench, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_SERVING_MEMORY_GB", "0.05")
    found = bench.outlook("toy", "net", Target(3), folder=folder)
    assert found is not None
    assert not found.fits
    assert found.short_bytes > 0


def test_where_the_platform_never_started_mlflow_is_missing(home: Home, folder: Path):
    from services.errors import EngineMissingError

    with pytest.raises(EngineMissingError, match="token is not readable"):
        Workbench(home).outlook("toy", "net", Target(3), folder=folder)
