"""Predictions are written by processes that are killed, and put into Parquet by one that is too.

python -m tests.services.predictions.drill HOME COUNT    appends, and prints the id of each
                                                         prediction when it may be answered
"""

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from services.home import Home
from services.predictions import reading
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from tests.live import ROOT

_LINE = 33


def write(home: Home, count: int) -> None:
    """Append predictions; acknowledge each by its id."""
    log = PredictionLog.open(home, "drill", segment_bytes=1 << 20, reserve_bytes=1 << 16)
    rng = random.Random(os.getpid())  # noqa: S311  no secret
    for _ in range(count):
        at = time.time()
        request_id = f"{int(at * 1000):012x}7{rng.getrandbits(76):019x}"
        inputs = {"a": [rng.random()], "b": ["x"]}
        outputs = {"label": ["yes"], "confidence": [rng.random()]}
        log.append(
            Record(
                request_id, at, "drill", f"model{rng.randrange(2)}", 1, "oip", 200, 1.5,
                inputs=inputs, outputs=outputs,
            )
        )  # fmt: skip
        os.write(1, f"{request_id}\n".encode())
    log.close()


@dataclass
class Writer:
    """One process that appends, and what it acknowledged."""

    home: Home
    count: int
    acknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self.home.root), str(self.count)],
            cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if len(line) == _LINE:
                self.acknowledged.append(line[:-1].decode())
        self.process.stdout.close()

    def kill(self) -> None:
        """Kill it; what it acknowledged before is known afterwards."""
        self.process.kill()
        self.process.wait()
        self._thread.join()


@dataclass
class Outcome:
    """What came of it."""

    acknowledged: int = 0
    found: int = 0
    """Different predictions that can be read, of those acknowledged."""
    more: int = 0
    """Written, but killed before they were acknowledged."""
    rows: int = 0
    """Of all files."""
    writers_killed: int = 0
    compactors_killed: int = 0
    compactions: int = 0
    looks: int = 0
    wrong_looks: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.acknowledged - self.found

    @property
    def doubled(self) -> int:
        return self.rows - self.found - self.more


class Compactors:
    """Runs the compactor again and again; kills it at some moment, a number of times."""

    def __init__(self, home: Home, kills: int, rng: random.Random) -> None:
        self.killed = self.done = 0
        self._home, self._kills, self._rng = home, kills, rng
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Compactors":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            process = compactor(self._home)
            if self.killed < self._kills and self._begun(process):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self._rng.expovariate(3.0))
                process.kill()
                self.killed += process.wait() < 0
            else:
                assert process.wait() == 0
                self.done += 1
                self._ended.wait(0.2)

    def _begun(self, process: subprocess.Popen[bytes]) -> bool:
        """Return whether it wrote something of its own, which may be just now."""
        folder = Folder(self._home).path
        while process.poll() is None:
            if list(folder.rglob(".new-*")):
                return True
            time.sleep(0.01)
        return False


def compactor(home: Home) -> subprocess.Popen[bytes]:
    asked = {"home": str(home.root), "days": 30, "all_labels": False}
    return subprocess.Popen(
        [sys.executable, "-m", "services.predictions.compaction", orjson.dumps(asked).decode()],
        cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def run(home: Home, total: int, kills: int, *, writers: int = 2, seed: int = 1) -> Outcome:
    """Have ``total`` predictions acknowledged while processes are killed; look what is there."""
    rng = random.Random(seed)  # noqa: S311
    outcome = Outcome()
    acknowledged: list[str] = []
    with Compactors(home, kills, rng) as compactors:
        while (
            len(acknowledged) < total or outcome.writers_killed < kills or compactors.killed < kills
        ):
            left = max(total - len(acknowledged), 1)
            share = max(2, total // (kills + 1) // writers)
            some = [Writer(home, total) for _ in range(writers)]
            wanted = min(left, rng.randint(share, 2 * share))
            while sum(len(one.acknowledged) for one in some) < wanted:
                _look(home, [acknowledged, *(one.acknowledged for one in some)], outcome)
            for one in some:
                one.kill()
                outcome.writers_killed += 1
                acknowledged += one.acknowledged
    while Folder(home).segments():
        assert compactor(home).wait() == 0
    _count(home, acknowledged, outcome)
    outcome.compactors_killed, outcome.compactions = compactors.killed, compactors.done
    return outcome


def _look(home: Home, acknowledged: list[list[str]], outcome: Outcome) -> None:
    """Whoever reads meanwhile misses nothing that was acknowledged before he asked."""
    before = sum(map(len, acknowledged))
    found = reading.count(home, "drill")
    outcome.looks += 1
    if found < before:
        outcome.wrong_looks.append(f"{before} were acknowledged, {found} were found")
    time.sleep(0.05)


def _count(home: Home, acknowledged: list[str], outcome: Outcome) -> None:
    import pyarrow.parquet as pq

    ids: list[str] = []
    for partition in Folder(home).rows("drill"):
        for path in partition.files():
            ids += pq.ParquetFile(path).read(columns=["id"])["id"].to_pylist()
    different = set(ids)
    outcome.acknowledged = len(set(acknowledged))
    outcome.rows = len(ids)
    outcome.found = len(different & set(acknowledged))
    outcome.more = len(different - set(acknowledged))


if __name__ == "__main__":
    write(Home(Path(sys.argv[1])), int(sys.argv[2]))
