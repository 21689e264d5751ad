"""The memory planner against measured peaks: all nine projects' models, as at a first deployment.

    .venv/bin/python -m benchmarks.planner [--projects projects] [--max-batch 32] [--requests 300]

Every model is rebuilt with fresh weights of the size its project trains. Printed side by side, in
bytes of memory: what the formula says knowing nothing, what it says knowing the project's base
(its environment's imports, measured once), what a trial says (the plan of a first deployment), and
the peak of a server of its own under load. The last line is the worst error of each.
"""

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.serving import measured, trial
from services.serving.estimating import formula, half_bytes_of
from services.serving.models import BundleInfo, Field
from services.serving.trial import Place

MIB = 1024**2
_LENGTHS = struct.Struct("<II")
_MAKE = """
import json, sys
from pathlib import Path
import mlx.core as mx
from mlx.utils import tree_flatten

def flat(model):
    return dict(tree_flatten(model.parameters()))

{code}
folder = Path(sys.argv[1])
folder.mkdir(parents=True)
mx.save_safetensors(str(folder / "model.safetensors"), weights, {{"format": "mlx"}})
(folder / "config.json").write_text(json.dumps(config))
sys.stdout.flush()
import os
os._exit(0)
"""
_CODE = {
    "01": """
from lora import corpus, serving
from lora.classifier import Classifier
from lora.encoder import VOCABULARY, MiniLM
pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{n}" for n in range(VOCABULARY - 4))]
weights = serving.stored(MiniLM(), Classifier([]))
config = {"labels": list(corpus.LABELS), "longest": 20, "vocabulary": pieces}
""",
    "02": """
from dataclasses import asdict
from diffusion.network import Denoiser
from diffusion.sampling import Sampler
weights = flat(Denoiser())
config = {"width": 128, "blocks": 3, "timesteps": 100, "sampler": asdict(Sampler(20))}
""",
    "03": """
from quantization import serving
from quantization.model import CharacterModel, Shape, plain
from quantization.plans import LAYERS, quantise
model, bits = CharacterModel(Shape(), plain), dict.fromkeys(LAYERS, 4)
quantise(model, bits, 64)
weights, config = flat(model), serving.configuration(Shape(), bits, 64)
""",
    "04": """
from compression import serving
from compression.network import DENSE, Classifier
from compression.storage import to_tensors
model = Classifier(DENSE)
weights, config = to_tensors(model), serving.configuration(model, DENSE)
""",
    "05": """
from twotower import captions
from twotower.towers import TwoTowers
known = captions.vocabulary()
weights, config = flat(TwoTowers(len(known) + captions.UNKNOWN + 1)), {"vocabulary": known}
""",
    "06": """
from federated.model import initial_weights
weights = {name: mx.array(array) for name, array in initial_weights(64, 0).items()}
config = {"width": 64}
""",
    "07": """
from adaptive.network import Denoiser
weights = flat(Denoiser())
config = {"width": 128, "blocks": 3, "path": [[0.99, 0.01], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9]]}
""",
    "08": """
from meta import serving
from meta.learning import Inner
from meta.network import initial
weights, config = initial(), serving.configuration(Inner(False, 8, 0.4, 1.0), 8)
""",
    "09": """
from selfimprove.network import Denoiser
weights, config = flat(Denoiser(96)), {"width": 96, "blocks": 3, "sampling_steps": 10}
""",
}
_TEXT, _LONG = ("BYTES", (-1,)), ("INT64", (-1,))
_PIXELS, _IMAGE = ("FP32", (-1, 64)), ("FP32", (-1, 8, 8))


@dataclass(frozen=True, slots=True)
class Demo:
    """One project's model."""

    number: str
    interface: Any
    entry: str
    inputs: dict[str, tuple[str, tuple[int, ...]]]
    outputs: dict[str, tuple[str, tuple[int, ...]]]
    examples: dict[str, Any]
    """One row's value of each column; of few-shot models three rows'."""
    batchable: bool = True
    fixed: tuple[int, ...] = ()


_ROW = [0.5] * 64
DEMOS = (
    Demo("01", "classifier", "lora.serving:predictor", {"text": _TEXT},
         {"label": _TEXT, "confidence": ("FP64", (-1,))},
         {"text": "Open a connection to the server and return its socket."}),
    Demo("02", "images", "diffusion.serving:predictor", {"label": _LONG, "seed": _LONG},
         {"image": _IMAGE}, {"label": 3, "seed": 7}),
    Demo("03", "text", "quantization.serving:predictor", {"text": _TEXT},
         {"continuation": _TEXT, "bits_per_character": ("FP64", (-1,))}, {"text": "def main("}),
    Demo("04", "classifier", "compression.serving:predictor", {"pixels": _PIXELS},
         {"label": _LONG, "confidence": ("FP32", (-1,))}, {"pixels": _ROW}, fixed=(1, 8, 32)),
    Demo("05", "embeddings", "twotower.serving:predictor", {"text": _TEXT},
         {"embedding": ("FP32", (-1, 48))}, {"text": "a bold handwritten seven"},
         fixed=(1, 8, 32)),
    Demo("06", "classifier", "federated.serving:predictor", {"image": _PIXELS},
         {"label": _LONG, "confidence": ("FP64", (-1,))}, {"image": _ROW}, fixed=(1, 8, 32)),
    Demo("07", "images", "adaptive.serving:predictor", {"label": _LONG, "seed": _LONG},
         {"image": _IMAGE}, {"label": 3, "seed": 7}),
    Demo("08", "few-shot", "meta.serving:predictor", {"pixels": _PIXELS, "label": _LONG},
         {"label": _LONG, "confidence": ("FP32", (-1,))}, {"pixels": _ROW, "label": 3},
         batchable=False),
    Demo("09", "images", "selfimprove.serving:predictor", {"label": _LONG, "seed": _LONG},
         {"image": _IMAGE}, {"label": 3, "seed": 7}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in bytes."""

    name: str
    weights: int
    blind: int
    based: int
    base_s: float
    tried: int
    trial_s: float
    peak: int

    def errors(self) -> tuple[float, float, float]:
        """Return how far each is off the peak, as shares of it."""
        blind, based, tried = (one / self.peak - 1 for one in (self.blind, self.based, self.tried))
        return blind, based, tried


def bundle(demo: Demo, project: Path, place: Place, folder: Path) -> BundleInfo:
    """Write a bundle as a model server reads it, with fresh weights."""
    model = folder / "model"
    code = _MAKE.format(code=_CODE[demo.number])
    subprocess.run(
        [str(place.python), "-c", code, str(model)],
        cwd=project, env=place.variables(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    info = BundleInfo(
        project=project.name,
        model=f"demo-{demo.number}",
        version=1,
        interface=demo.interface,
        format="safetensors",
        inputs=tuple(Field(name, kind, shape) for name, (kind, shape) in demo.inputs.items()),
        outputs=tuple(Field(name, kind, shape) for name, (kind, shape) in demo.outputs.items()),
        flavor="mlx",
        entry=demo.entry,
        batchable=demo.batchable,
        fixed_batches=demo.fixed,
        example={name: [value] for name, value in demo.examples.items()},
        weights_bytes=(model / "model.safetensors").stat().st_size,
    )
    (folder / "serving.json").write_text(json.dumps(info.as_json()))
    return info


@contextmanager
def serving(folder: Path, place: Place, max_batch: int) -> Iterator[tuple[int, Path]]:
    """Run a model server until the block ends."""
    path = place.sockets / "served"
    path.unlink(missing_ok=True)
    command = [
        str(place.python), "-m", "mlops_client.serving", "--bundle", str(folder),
        "--socket", str(path), "--backend", "mlx", "--max-batch", str(max_batch),
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=place.folder, env=place.variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            if server.stdout is None:
                raise RuntimeError("no output")
            event = json.loads(server.stdout.readline())
            if event["event"] != "ready":
                raise RuntimeError(f"{folder.name}: {event}")
            yield server.pid, path
        finally:
            server.terminate()


def columns(demo: Demo, rows: int) -> tuple[list[dict[str, Any]], bytes]:
    """Return what a header says of a request's columns, and its body."""
    told, body = [], b""
    for name, (kind, shape) in demo.inputs.items():
        raw = _raw(kind, demo.examples[name]) * rows
        told.append(
            {"name": name, "datatype": kind, "shape": [rows, *shape[1:]], "bytes": len(raw)}
        )
        body += raw
    return told, body


def _raw(kind: str, value: Any) -> bytes:  # noqa: ANN401 - a row's value
    if kind == "BYTES":
        text = str(value).encode()
        return struct.pack("<I", len(text)) + text
    values = value if isinstance(value, list) else [value]
    return struct.pack(f"<{len(values)}{'f' if kind == 'FP32' else 'q'}", *values)


def load(demo: Demo, path: Path, requests: int, max_batch: int) -> int:
    """Ask full batches and single rows, four at a time; return the server's peak afterwards."""
    kinds = [columns(demo, max_batch), columns(demo, 1)]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(str(path))
        stream = connection.makefile("rb")
        for begin in range(0, requests, 4):
            for number in range(begin, begin + 4):
                told, body = kinds[number % 2]
                _send(connection, {"id": number, "op": "infer", "inputs": told}, body)
            for _ in range(4):
                answer = _read(stream)
                if not answer["ok"]:
                    raise RuntimeError(f"{demo.number}: {answer}")
        _send(connection, {"id": requests, "op": "stats"}, b"")
        stats = _read(stream)["stats"]
        stream.close()
    mlx = stats["mlx_peak_bytes"] or 0
    return int(stats["peak_rss_bytes"]) + (int(mlx) if sys.platform == "darwin" else 0)


def _send(connection: socket.socket, header: dict[str, Any], body: bytes) -> None:
    said = json.dumps({"deadline_ms": None, "parameters": {}, "inputs": [], **header}).encode()
    connection.sendall(_LENGTHS.pack(len(said), len(body)) + said + body)


def _read(stream: Any) -> dict[str, Any]:  # noqa: ANN401 - a socket's file
    head, body = _LENGTHS.unpack(stream.read(_LENGTHS.size))
    said: dict[str, Any] = json.loads(stream.read(head))
    stream.read(body)
    return said


def measure(
    demo: Demo,
    project: Path,
    place: Place,
    scratch: Path,
    *,
    max_batch: int,
    requests: int,
    free_bytes: int,
) -> Row:
    """Return one line."""
    folder = scratch / demo.number
    info = bundle(demo, project, place, folder)
    book = measured.Measured(scratch)
    half = half_bytes_of(folder / "model")
    blind = formula(info, "mlx", max_batch, None, half)
    began = time.perf_counter()
    base = trial.base_of(book, info, place)
    based = formula(info, "mlx", max_batch, base, half)
    tried_at = time.perf_counter()
    tried = trial.estimated(book, folder, info, place, "mlx", max_batch, free_bytes=free_bytes)
    done = time.perf_counter()
    with serving(folder, place, max_batch) as (_pid, path):
        peak = load(demo, path, requests, max_batch)
    return Row(
        name=project.name,
        weights=info.weights_bytes,
        blind=blind.bytes,
        based=based.bytes,
        base_s=tried_at - began,
        tried=tried.bytes,
        trial_s=done - tried_at,
        peak=peak,
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--projects", type=Path, default=Path("projects"))
    parser.add_argument("--max-batch", type=int, default=32)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--free-mb", type=int, default=4096, help="what a trial may take")
    given = parser.parse_args()
    rows = []
    print(_line("project", "weights", "formula", "", "with base", "", "trial", "", "peak", "s"))
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        scratch = Path(name)
        for demo in DEMOS:
            project = next(given.projects.resolve().glob(f"{demo.number}_*"))
            place = _place(project, scratch)
            row = measure(
                demo, project, place, scratch, max_batch=given.max_batch,
                requests=given.requests, free_bytes=given.free_mb * MIB,
            )  # fmt: skip
            rows.append(row)
            _show(rows[-1])
    worst = [max(abs(row.errors()[n]) for row in rows) for n in range(3)]
    errors = [f"{one:.1%}" for one in worst]
    print(_line("worst", "", "", errors[0], "", errors[1], "", errors[2], "", ""))


def _place(project: Path, scratch: Path) -> Place:
    own = project / ".venv" / "bin" / "python"
    if own.is_file():
        return Place(own, project, scratch)
    path = os.environ.get("PYTHONPATH", "")
    return replace(Place(Path(sys.executable), project, scratch), environment={"PYTHONPATH": path})


def _show(row: Row) -> None:
    mib = [f"{n / MIB:.1f}" for n in (row.weights, row.blind, row.based, row.tried, row.peak)]
    off = [f"{one:+.1%}" for one in row.errors()]
    took = f"{row.base_s:.1f}+{row.trial_s:.1f}"
    print(
        _line(row.name, mib[0], mib[1], off[0], mib[2], off[1], mib[3], off[2], mib[4], took),
        flush=True,
    )


def _line(name: str, *cells: str) -> str:
    return f"{name:30}" + "".join(f"{cell:>11}" for cell in cells)


if __name__ == "__main__":
    main()
