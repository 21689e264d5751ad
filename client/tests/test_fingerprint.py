"""The rule of the fingerprint, with the vectors that the services test as well."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mlops_client.fingerprint import UnlistableError, look

VECTORS = json.loads((Path(__file__).parent / "fixtures" / "fingerprints.json").read_text())[
    "vectors"
]


def made(root: Path, vector: dict[str, Any]) -> Path:
    root.mkdir()
    for file in vector["files"]:
        path = root / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * file["size"])
        os.utime(path, ns=(0, file["mtime_ns"]))
    for link in vector.get("links", []):
        path = root / link["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link["to"])
    return root


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_vectors_of_the_rule(tmp_path: Path, vector: dict[str, Any]):
    root = made(tmp_path / "project", vector)
    if vector.get("refused"):
        with pytest.raises(UnlistableError):
            look(root, vector["listed"])
        return
    found = look(root, vector["listed"])
    assert (found.fingerprint, found.files, found.bytes) == (
        vector["fingerprint"],
        vector["count"],
        vector["bytes"],
    )


def test_what_shares_its_bytes_or_is_read_only_is_linked(tmp_path: Path):
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "model"
    model.write_text("weights")
    assert not look(tmp_path, ["models"]).is_linked
    (tmp_path / "cached").hardlink_to(model)
    assert look(tmp_path, ["models"]).is_linked
    (tmp_path / "cached").unlink()
    model.chmod(0o444)
    assert look(tmp_path, ["models"]).is_linked


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "pipe")
    with pytest.raises(UnlistableError):
        look(tmp_path, ["data"])


def test_a_name_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / os.fsdecode(b"\xff")).write_text("x")
    with pytest.raises(UnlistableError):
        look(tmp_path, ["data"])
