"""Predictions for tests, and what to ask of all of them."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from services.home import Home
from services.predictions.compaction import Compactor
from services.predictions.log import PredictionLog
from services.predictions.models import Record

NOON = 1_795_953_600.0
"""2026-11-29 12:00 UTC."""
DAY_S = 86_400.0
_numbers = itertools.count()


def request_id(at: float = NOON) -> str:
    return f"{int(at * 1000):012x}7{next(_numbers):019x}"


def record(at: float = NOON, **changes: Any) -> Record:
    said: dict[str, Any] = {
        "id": request_id(at), "at": at, "project": "clip-finetuning", "model": "clip", "version": 3,
        "api": "oip", "status": 200, "latency_ms": 2.5, "rows": 2, "key_id": "k1", "model_ms": 1.5,
        "queue_ms": 0.25, "backend": "mlx", "host": "studio", "host_state": {"thermal": 0},
        "energy_j": 0.125, "inputs": {"age": [31, 44], "name": ["Ada", "Grace"]},
        "outputs": {"label": ["yes", "no"], "confidence": [0.75, 0.5]},
    }  # fmt: skip
    return Record(**{**said, **changes})


def written(home: Home, *records: Record, **sizes: Any) -> None:
    """Append records and close, as a writer that ends."""
    log = PredictionLog.open(home, "test", **{"reserve_bytes": 1 << 16, **sizes})
    for one in records:
        log.append(one)
    log.close()


def compacted(home: Home, now_s: float = NOON, days: float = 3650.0) -> None:
    compactor = Compactor(home, days)
    try:
        compactor.run(now_s)
    finally:
        compactor.close()


def files(home: Home) -> list[Path]:
    return sorted(p for p in (home.serving / "predictions").rglob("*") if p.is_file())


def on_disk(home: Home, said: bytes) -> bool:
    """Whether some bytes are in any file, packed or not."""
    import pyarrow.parquet as pq

    for path in files(home):
        if path.suffix == ".parquet":
            if said.decode() in str(pq.ParquetFile(path).read().to_pydict()):
                return True
        elif said in path.read_bytes():
            return True
    return False


class Killed(BaseException):
    """Stands for kill -9 in this process."""


class KilledAt:
    """Ends the process at the n-th change of a file; from then on nothing changes any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        self.step = step
        # A kill takes nothing from the kernel; waiting for the disk would take most of the time.
        monkeypatch.setattr(os, "fsync", lambda _handle: None)
        for name in ("replace", "unlink", "rename"):
            self._patch(monkeypatch, name)

    def _patch(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(Path, name)

        def instead(path: Path, *arguments: Any, **named: Any) -> Any:
            self.step -= 1
            if self.step < 0:
                raise Killed
            return real(path, *arguments, **named)

        monkeypatch.setattr(Path, name, instead)
