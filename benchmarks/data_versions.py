"""What versions of data cost, and what memory-mapped loading saves.

    python -m benchmarks.data_versions [--load-mb 512] [--big-mb 2048] [--files 50000] [--folder D]

Loading: one file of each format, read by MLX in a process of its own for each way, so that a peak
is that way's alone. "lazy" is `mx.load`, which opens the file and reads an array when it is used;
"read" reads the file's bytes and copies them into an array. Two times: until the arrays are there,
and until one sum over each of them is. The file is in the page cache for every way.

Versions: one large file, and many small ones, through the service, with a home and a remote folder
on the same disk. Peaks are of the process that does all of it.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ARRAYS = 8
WAYS = ("lazy", "read")
CONTRACT = '[tool.mlops]\nid = "bench"\ntitle = "B"\ntrain = "x"\ndata = ["data/"]\n'


def peak_mb() -> float:
    """Return this program's peak; on Linux ru_maxrss would be that of the program before it too."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def disk_mb(*folders: Path) -> float:
    """Return what files take, each inode once."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            status = path.lstat()
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values()) / 1e6


def child(*words: object) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.data_versions", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout))


# Loading


def make_arrays(folder: Path, size_mb: int) -> None:
    import numpy as np

    count = size_mb * (1 << 20) // 4 // ARRAYS
    generator = np.random.default_rng(0)
    arrays = {f"w{n}": generator.random(count, dtype=np.float32) for n in range(ARRAYS)}
    npy, safetensors = folder / "weights.npy", folder / "weights.safetensors"
    np.save(npy, np.concatenate(list(arrays.values())))
    header, offset = {}, 0
    for name, array in arrays.items():
        end = offset + array.nbytes
        header[name] = {"dtype": "F32", "shape": [count], "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    with safetensors.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.tobytes())
    print("{}")


def load(path: Path, way: str) -> None:
    """Measure one way of loading and print it; this process does nothing else."""
    import mlx.core as mx

    mx.eval(mx.zeros(1))
    before = peak_mb()
    began = time.perf_counter()
    arrays = _lazy(path) if way == "lazy" else _read(path)
    there_s = time.perf_counter() - began
    total = sum(float(mx.sum(array)) for array in arrays)
    used_s = time.perf_counter() - began
    print(
        json.dumps(
            {"load_s": there_s, "used_s": used_s, "peak_mb": peak_mb() - before, "sum": total}
        )
    )


def _lazy(path: Path) -> list[Any]:
    import mlx.core as mx

    found = mx.load(str(path))
    return list(found.values()) if isinstance(found, dict) else [found]


def _read(path: Path) -> list[Any]:
    import mlx.core as mx
    import numpy as np

    content = path.read_bytes()
    if path.suffix == ".npy":
        import io

        arrays = [mx.array(np.load(io.BytesIO(content)))]
    else:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        body = memoryview(content)[8 + length :]
        arrays = [
            mx.array(np.frombuffer(body[slice(*entry["data_offsets"])], dtype=np.float32))
            for entry in header.values()
        ]
    mx.eval(arrays)
    return arrays


def loading(folder: Path, size_mb: int) -> None:
    print(f"Loading {size_mb} MB, each way in a process of its own")
    print(f"{'format':<14}{'way':<7}{'arrays there':>14}{'all summed':>13}{'peak memory':>14}")
    child("--arrays", folder, "--amount", size_mb)
    for path in (folder / "weights.safetensors", folder / "weights.npy"):
        sums = set()
        for way in WAYS:
            with path.open("rb") as file:  # into the page cache
                while file.read(1 << 24):
                    pass
            found = child("--load", path, "--way", way)
            sums.add(round(found["sum"], -3))
            print(
                f"{path.suffix[1:]:<14}{way:<7}{found['load_s'] * 1000:>11.1f} ms"
                f"{found['used_s'] * 1000:>10.0f} ms{found['peak_mb']:>11.0f} MB"
            )
        assert len(sums) == 1, "the ways loaded different numbers"
        path.unlink()


# Versions


def versions(folder: Path, make: str, amount: int) -> None:
    """Add, push, lose, check out: measure each and print it; this process does nothing else."""
    os.environ["MLOPS_HOME"] = str(folder / "home")
    from services.data.remote import Remote
    from services.data.service import DataService
    from services.home import Home

    project, service = folder / "project", DataService(Remote(Home.locate()))
    _make_files(project, make, amount)
    figures: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401
        began = time.perf_counter()
        found = act()
        figures[name] = time.perf_counter() - began
        return found

    before = disk_mb(folder)
    first = timed("add", lambda: service.track(project, "data"))
    figures["added_mb"] = disk_mb(folder) - before
    timed("add again", lambda: service.track(project, "data"))
    timed("push", lambda: service.push("bench", first.revision))
    timed("push again", lambda: service.push("bench", first.revision))
    shutil.rmtree(project / "data")
    timed("checkout", lambda: service.checkout("bench", first.revision))
    shutil.rmtree(folder / "home" / "dvc" / "cache")
    timed("pull", lambda: service.pull("bench", first.revision))
    figures["peak_mb"] = peak_mb()
    print(json.dumps(figures))


def _make_files(project: Path, make: str, amount: int) -> None:
    (project / "data").mkdir(parents=True)
    (project / "pyproject.toml").write_text(CONTRACT)
    if make == "big":
        block = os.urandom(1 << 20)
        with (project / "data" / "big.bin").open("wb") as file:
            for number in range(amount):
                file.write(number.to_bytes(8, "little") + block[8:])
        return
    for number in range(amount):
        place = project / "data" / f"{number % 250:03}"
        place.mkdir(exist_ok=True)
        (place / f"{number}.txt").write_bytes(f"{number} ".encode() * 100)


def storing(folder: Path, big_mb: int, files: int) -> None:
    for make, amount, title in (
        ("big", big_mb, f"One file of {big_mb:,} MB"),
        ("small", files, f"{files:,} small files"),
    ):
        place = folder / make
        place.mkdir()
        found = child("--versions", place, "--make", make, "--amount", amount)
        print(f"\n{title}")
        for name in ("add", "add again", "push", "push again", "checkout", "pull"):
            print(f"  {name:<12}{found[name]:>9.2f} s")
        print(f"  disk used by adding {found['added_mb']:,.0f} MB, peak memory ", end="")
        print(f"{found['peak_mb']:,.0f} MB")
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load-mb", type=int, default=512)
    parser.add_argument("--big-mb", type=int, default=2048)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=None)
    for name in ("--load", "--versions", "--arrays"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--make", choices=["big", "small"], help=argparse.SUPPRESS)
    parser.add_argument("--amount", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        load(given.load, given.way)
    elif given.arrays:
        make_arrays(given.arrays, given.amount)
    elif given.versions:
        versions(given.versions, given.make, given.amount)
    else:
        with tempfile.TemporaryDirectory(prefix="mlops-data-", dir=given.folder) as folder:
            loading(Path(folder), given.load_mb)
            storing(Path(folder), given.big_mb, given.files)


if __name__ == "__main__":
    main()
