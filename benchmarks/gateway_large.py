"""How long small requests wait at the gateway while large JSON bodies come in.

    python -m benchmarks.gateway_large [--rate 50] [--seconds 10]

Small requests come in an open loop: a latency counts from when a request was due, so what stands
still is seen. Beside them one client sends a large body after another, of each kind for so long:

- ``none``: nothing, to compare with
- ``numbers``: 16 MiB of rows of four numbers, which the model is asked
- ``rows``: the same as objects, one a row
- ``lists``: 16 MiB of empty lists, which are refused
- ``chat``: 16 MiB of empty lists at ``/v1/completions``, refused as well

The load runs in a process of its own; all of them share this machine's cores.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.load import Load

ROOT = Path(__file__).resolve().parents[1]
SIZE = (16 << 20) - 4096
SMALL = b'{"columns": {"x": [[1.0, 2.0, 3.0, 4.0]]}}'
PLAIN = "/predict/lab/rows"


def repeated(begin: bytes, one: bytes, end: bytes) -> bytes:
    """Return a body of nearly the largest size."""
    return begin + b",".join([one] * ((SIZE - len(begin) - len(end)) // (len(one) + 1))) + end


def large() -> dict[str, tuple[str, bytes]]:
    """Return path and body of each kind."""
    lists = repeated(b'{"columns": {"x": [', b"[]", b"]}}")
    return {
        "none": ("", b""),
        "numbers": (PLAIN, repeated(b'{"columns": {"x": [', b"[1.25,2,-3.5,4]", b"]}}")),
        "rows": (PLAIN, repeated(b'{"rows": [', b'{"x": [1.25,2,-3.5,4]}', b"]}")),
        "lists": (PLAIN, lists),
        "chat": ("/v1/completions", lists),
    }


def load() -> None:
    """Ask small things at a rate, until so many were asked; told what to do on stdin."""
    url, key, rate, seconds = json.loads(sys.stdin.read())
    one = Load(url + PLAIN, SMALL, {"X-API-Key": key})
    asyncio.run(one.run(rate, most=int(rate * seconds)))
    seen = one.seen
    told = {
        "p50_ms": seen.quantile(0.5), "p99_ms": seen.quantile(0.99),
        "longest_ms": max(seen.latencies_ms, default=float("nan")), "failed": seen.failed,
    }  # fmt: skip
    print(json.dumps(told))


def main() -> None:
    """Measure each kind and print it."""
    from tests.services.gateway import lab as labs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        load()
        return
    words = [sys.executable, "-P", "-m", "benchmarks.gateway_large", "--load"]
    with tempfile.TemporaryDirectory() as folder, labs.running(Path(folder), "rows") as lab:
        asked = json.dumps([lab.url, lab.key, given.rate, given.seconds])
        headers = {"X-API-Key": lab.key}
        for kind, (path, body) in large().items():
            statuses: list[int] = []
            took: list[float] = []
            with (
                httpx.Client(base_url=lab.url, headers=headers, timeout=60, trust_env=False) as one,
                subprocess.Popen(
                    words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                ) as small,
            ):
                assert small.stdin is not None
                small.stdin.write(asked)
                small.stdin.close()
                while small.poll() is None:
                    if not path:
                        time.sleep(0.1)
                        continue
                    began = time.perf_counter()
                    statuses.append(one.post(path, content=body).status_code)
                    took.append(time.perf_counter() - began)
                assert small.stdout is not None
                said = json.loads(small.stdout.read())
            median = sorted(took)[len(took) // 2] if took else 0.0
            line = {name: round(value, 1) for name, value in said.items()}
            print(f"{kind:8} small {line} large {len(took)} of {sorted(set(statuses))}, "
                  f"{median:.2f} s each", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
