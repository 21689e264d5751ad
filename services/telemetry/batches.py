"""What an agent sends: the machine and some of its samples, as one compressed JSON document.

{"sent_at", "machine": {"host", "chip", "apple_silicon", …}, "providers": [{"name", "usable", …}],
 "samples": [{"at", "window_s", "readings": {METRIC: {"value", "quality", "source", …}},
              "processes": [{"pid", "started_at", "name", "owner", "cpu_s", …}]}]}
"""

import dataclasses
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import orjson

from services.engines.silicon.models import (
    CoreTier,
    Machine,
    ProcessUse,
    ProviderState,
    Quality,
    Reading,
    Sample,
)
from services.errors import InputError
from services.telemetry.documents import FieldError, Node

SAMPLES_AT_MOST = 240
BODY_LIMIT_BYTES = 1 << 20
"""Compressed, as it comes."""

TEXT_LIMIT_BYTES = 4 << 20
"""Unpacked: a small body can hold a large text."""

CLOCK_WRONG = 425
"""HTTP: too early. What is answered when the sender's clock and ours are too far apart."""

_READINGS_AT_MOST = 200
_PROCESSES_AT_MOST = 1000
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,59}")
_TIERS = ("super", "performance", "efficiency", "all")
_QUALITIES: tuple[Quality, ...] = get_args(Quality)
_WINDOW_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one machine."""

    machine: Machine
    providers: tuple[ProviderState, ...]
    samples: tuple[Sample, ...]
    """In the order in which they were taken."""
    sent_at: datetime | None = None
    """By the clock of who sent it."""


def encode(sample: Sample) -> bytes:
    """Return one sample as one line of JSON."""
    readings = {}
    for reading in sample.readings:
        told: dict[str, object] = {"quality": reading.quality}
        if reading.value is not None:
            told["value"] = reading.value
        for key in ("source", "reason"):
            if said := getattr(reading, key):
                told[key] = said
        if reading.window_s is not None:
            told["window_s"] = reading.window_s
        readings[reading.metric] = told
    document: dict[str, object] = {
        "at": sample.at.astimezone(UTC).isoformat(),
        "window_s": sample.window_s,
        "readings": readings,
    }
    if sample.processes:
        document["processes"] = [dataclasses.asdict(one) for one in sample.processes]
    return orjson.dumps(document)


def pack(
    machine: Machine,
    providers: Iterable[ProviderState],
    lines: Sequence[bytes],
    sent_at: datetime | None = None,
) -> bytes:
    """Return a compressed batch of encoded samples."""
    head: dict[str, object] = {"sent_at": sent_at.isoformat()} if sent_at else {}
    head |= {
        "machine": dataclasses.asdict(machine),
        "providers": [dataclasses.asdict(provider) for provider in providers],
    }
    text = orjson.dumps(head)[:-1] + b',"samples":[' + b",".join(lines) + b"]}"
    return zlib.compress(text, 6)


def unpack(body: bytes, *, compressed: bool) -> Batch:
    """Return what a body holds.

    Raises:
        FieldError: A field is missing or wrong.
        InputError: It is no JSON, does not unpack, or is too large.
    """
    text = _inflated(body) if compressed else body
    if len(text) > TEXT_LIMIT_BYTES:
        raise InputError(
            f"The batch is larger than {TEXT_LIMIT_BYTES >> 20} MB.", "Send fewer samples at once."
        )
    try:
        document = Node(orjson.loads(text), "")
    except ValueError as error:
        raise InputError(f"The body is no JSON: {error}.") from error
    if not isinstance(document.value, dict):
        raise InputError("The body is no JSON object.")
    machine = _machine(document["machine"])
    providers = tuple(_provider(one) for one in document["providers"].items(50))
    samples = [_sample(machine.host, one) for one in document["samples"].items(SAMPLES_AT_MOST)]
    sent = document["sent_at"]
    return Batch(
        machine,
        providers,
        tuple(sorted(samples, key=lambda sample: sample.at)),
        None if sent.value is None else sent.time(),
    )


def _inflated(body: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(body, TEXT_LIMIT_BYTES + 1)
    except zlib.error as error:
        raise InputError("The body is not compressed as its header says (deflate).") from error
    if not unpacker.eof and len(text) <= TEXT_LIMIT_BYTES:
        raise InputError("The compressed body ends too early.")
    return text


def _machine(said: Node) -> Machine:
    return Machine(
        host=said["host"].text(80, pattern=_HOST),
        chip=said["chip"].optional_text(120),
        apple_silicon=said["apple_silicon"].flag(),
        os=said["os"].text(120),
        model=said["model"].optional_text(120),
        tiers=tuple(_tier(one) for one in said["tiers"].items(8)),
        gpu=said["gpu"].optional_text(120),
        gpu_cores=said["gpu_cores"].optional_whole(),
        memory_bytes=said["memory_bytes"].optional_whole(),
        recommended_working_set_bytes=said["recommended_working_set_bytes"].optional_whole(),
    )


def _tier(said: Node) -> CoreTier:
    name = said["name"].text(20)
    if name not in _TIERS:
        raise said["name"].wrong(f"must be one of {', '.join(_TIERS)}")
    mhz = said["max_mhz"].optional_number(0, 1e6)
    return CoreTier(name, said["cores"].whole(10_000), mhz)  # type: ignore[arg-type]  # of _TIERS


def _provider(said: Node) -> ProviderState:
    return ProviderState(
        name=said["name"].text(60),
        version=said["version"].text(60),
        usable=said["usable"].flag(),
        reason=said["reason"].text(500),
        hint=said["hint"].text(500),
        gives=tuple(one.text(60, pattern=_METRIC) for one in said["gives"].items(200)),
    )


def _sample(host: str, said: Node) -> Sample:
    readings = said["readings"].members(_READINGS_AT_MOST, _METRIC)
    return Sample(
        host,
        said["at"].time(),
        said["window_s"].number(0, _WINDOW_S),
        tuple([_reading(name, one) for name, one in readings]),
        tuple([_process(one) for one in said["processes"].items(_PROCESSES_AT_MOST)]),
    )


def _reading(metric: str, said: Node) -> Reading:
    quality = said["quality"].text(20)
    if quality not in _QUALITIES:
        raise said["quality"].wrong(f"must be one of {', '.join(_QUALITIES)}")
    value = said["value"].optional_number()
    if (value is None) != (quality == "unavailable"):
        raise said["value"].wrong("must be there exactly when the quality is not unavailable")
    return Reading(
        metric,
        value,
        quality,
        said["source"].text(120),
        said["reason"].text(500),
        said["window_s"].optional_number(0, _WINDOW_S),
    )


def _process(said: Node) -> ProcessUse:
    return ProcessUse(
        pid=said["pid"].whole(1 << 31),
        started_at=said["started_at"].number(0, 1e11),
        name=said["name"].text(300),
        owner=said["owner"].text(240),
        project=said["project"].text(100),
        cpu_s=said["cpu_s"].optional_number(0),
        gpu_s=said["gpu_s"].optional_number(0),
        memory_bytes=said["memory_bytes"].optional_whole(),
        mlx_active_bytes=said["mlx_active_bytes"].optional_whole(),
        mlx_peak_bytes=said["mlx_peak_bytes"].optional_whole(),
        mlx_cache_bytes=said["mlx_cache_bytes"].optional_whole(),
    )


__all__ = [
    "BODY_LIMIT_BYTES", "CLOCK_WRONG", "SAMPLES_AT_MOST", "TEXT_LIMIT_BYTES",
    "Batch", "FieldError", "encode", "pack", "unpack",
]  # fmt: skip
