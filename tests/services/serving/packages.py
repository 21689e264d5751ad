"""Packages of registered versions, made from files that are at hand."""

import hashlib
import shutil
import struct
from pathlib import Path
from typing import Any

import orjson
import yaml

from services.home import Home
from services.projects.contract import Contract
from services.workflows import packaging
from services.workflows.packaging import Package

SIGNATURE = {
    "inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}, '
    '"name": "x"}]',
    "outputs": '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}, '
    '"name": "label"}, {"type": "double", "name": "confidence"}]',
}
MLX = {
    "mlx": {"weights": "model.safetensors", "config": "config.json", "entry": "toy.net:predictor"},
    "python_function": {"loader_module": "mlops_client.mlx", "data": ".", "env": {}},
}


def safetensors(values: int = 8, **more: object) -> bytes:
    header: dict[str, Any] = {
        "w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]} | more
    }
    raw = orjson.dumps(header)
    return struct.pack("<Q", len(raw)) + raw + bytes(4 * values)


def mlmodel(flavors: object = None, **more: object) -> bytes:
    said = {"flavors": flavors or MLX, "signature": SIGNATURE, "metadata": {"technique": "good"}}
    return yaml.safe_dump(said | more).encode()


def good() -> dict[str, bytes]:
    """Return the files of a model as ``log_model`` registers it."""
    return {
        "MLmodel": mlmodel(),
        "config.json": b'{"bits": 4}',
        "model.safetensors": safetensors(),
    }


def project(folder: Path) -> Path:
    """Make a project's folder with the code that loads the model."""
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "__init__.py").touch()
    (folder / "toy" / "net.py").write_text("def predictor(weights, config): ...\n")
    return folder


def contract(**serve: object) -> Contract:
    return Contract.model_validate(
        {"id": "toy", "title": "Toy", "train": "python train.py", "serve": {"net": serve}}
    )


def package(
    home: Home, files: dict[str, bytes] | Path, project: str = "toy", model: str = "net",
    version: int = 3, **more: object,
) -> Package:  # fmt: skip
    """Put files where ``packaging.pack`` puts those of a version."""
    folder = packaging.folder_of(home, project, model, version)
    if isinstance(files, Path):
        shutil.copytree(files, folder / packaging.FILES)
    else:
        for name, content in files.items():
            file = folder / packaging.FILES / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return described(folder, project=project, model=model, version=version, **more)


def described(folder: Path, **said: object) -> Package:
    """Write the manifest of the files that are in a package's folder."""
    found = sorted(one for one in (folder / packaging.FILES).rglob("*") if one.is_file())
    files = [
        {
            "path": str(one.relative_to(folder / packaging.FILES)),
            "bytes": one.stat().st_size,
            "sha256": hashlib.sha256(one.read_bytes()).hexdigest(),
        }
        for one in found
    ]
    known = {"run_id": "r1", "git_commit": "c1", "data_revision": "d1", "source": "s",
             "registered_ms": 1, "format": "safetensors"}  # fmt: skip
    digest = hashlib.sha256(orjson.dumps(files)).hexdigest()
    manifest = {"v": 1, **known, **said, "digest": digest, "files": files}
    (folder / packaging.MANIFEST).write_bytes(orjson.dumps(manifest))
    return Package(folder, manifest)
