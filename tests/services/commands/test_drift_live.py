"""A version that answers otherwise goes back by itself: engines, gateway, log as they are."""

import json
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.commands import predict
from services.commands.acting import context
from services.home import Home
from services.predictions import reading
from services.serving import drift, store
from services.serving.store import ApiKey
from tests import serving_whole
from tests.live import eventually
from tests.serving_whole import MODEL, PROJECT

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

SPEC = f"{PROJECT}/{MODEL}"
_ASKERS = 4
_FLOATS = {"F32": "<f4", "F16": "<f2"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Engines over a model whose second version has other weights than its first."""
    registered = serving_whole._registered

    def with_other_weights(folder: Path, home: Home):
        known = registered(folder, home)
        (name,) = [n for n in known.files if "/r2/" in n and n.endswith(".safetensors")]
        known.files[name] = negated(known.files[name])
        return known

    monkeypatch.setattr(serving_whole, "_registered", with_other_weights)
    with serving_whole.running(tmp_path, monkeypatch) as home:
        yield home


def negated(content: bytes) -> bytes:
    """Return a safetensors file whose figures have the other sign."""
    (size,) = struct.unpack_from("<Q", content)
    changed = bytearray(content)
    for name, said in json.loads(content[8 : 8 + size]).items():
        if name == "__metadata__" or said["dtype"] not in _FLOATS:
            continue
        begin, end = (8 + size + at for at in said["data_offsets"])
        figures = np.frombuffer(content[begin:end], _FLOATS[said["dtype"]])
        changed[begin:end] = (-figures).tobytes()
    assert changed != content
    return bytes(changed)


def typed(*words: str) -> Result:
    return CliRunner().invoke(mlops, list(words))


class Asking:
    """Applications that ask all the time, each time something else."""

    def __init__(self) -> None:
        key_id, self._key, digest = store.new_key()
        made = ApiKey(key_id, PROJECT, "test", digest, None, 0.0, 0, time.time(), "tests")
        store.add_key(context().journal, made)
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(_ASKERS)

    def __enter__(self) -> "Asking":
        self.running = [self._pool.submit(self._ask, number) for number in range(_ASKERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()
        for one in self.running:
            assert one.result() == set()

    def _ask(self, number: int) -> set[int]:
        """Return the states of those that were not answered."""
        draws, states = np.random.default_rng(number), set()
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx.Client(base_url=predict.gateway_url(), headers=headers, timeout=30) as client:
            while not self._ended.is_set():
                pixels = draws.uniform(size=64).round(3).tolist()
                answer = client.post(f"/predict/{SPEC}", json={"rows": [{"pixels": pixels}]})
                states.add(answer.status_code)
        return states - {200}


def test_a_version_that_answers_otherwise_goes_back_by_itself(home: Home):
    done = typed("deploy", f"{SPEC}:1", "--watch", "0")
    assert done.exit_code == 0, done.output
    with Asking():
        eventually(lambda: reading.count(home, PROJECT, MODEL, version=1) > 600, 120)
        done = typed("deploy", f"{SPEC}:2", "--watch", "200", "--max-drift", "40")
        assert done.exit_code == 1, done.output
        assert "columns of its answers drifted (" in done.stderr
        assert "of version 1. At most 40 % of the columns may." in done.stderr
        answered = reading.count(home, PROJECT, MODEL, version=1)
        eventually(lambda: reading.count(home, PROJECT, MODEL, version=1) > answered + 50, 60)
        # As a shadow nobody gets its answers; it goes all the same.
        done = typed("deploy", f"{SPEC}:2", "--shadow", "--max-drift", "40")
        assert done.exit_code == 0, done.output

        def back() -> bool:
            rollout = json.loads(typed("deployments", SPEC, "--json").stdout)["rollout"]
            return rollout["strategy"] == "shadow" and rollout["outcome"] == "rolled-back"

        eventually(back, 120)
        rollout = json.loads(typed("deployments", SPEC, "--json").stdout)["rollout"]
        assert "columns of its answers drifted (" in rollout["said"]
    eventually(lambda: not drift.wishes_path(home).exists())
