"""What somebody who means harm puts into a package."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np

from tests.services.serving.packages import MLX


class Trap:
    """Leaves a file behind when it is loaded."""

    def __reduce__(self) -> tuple:
        return os.mkdir, (os.environ.get("TRAP", "/tmp/trap-sprung"),)


def pickled(protocol: int) -> bytes:
    return pickle.dumps({"w": Trap()}, protocol)


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def array(values: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(values), allow_pickle=True)
    return out.getvalue()


def skops(schema: object, *more: tuple[str, bytes]) -> bytes:
    return zipped(("schema.json", json.dumps(schema).encode()), *more)


def header(said: object, rest: bytes = b"") -> bytes:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<Q", len(raw)) + raw + rest


def link(name: str) -> zipfile.ZipInfo:
    said = zipfile.ZipInfo(name)
    said.external_attr = 0o120777 << 16
    return said


def overlapping() -> bytes:
    """Return an archive whose directory lists one file forty times."""
    once = zipped(("0.npy", array(np.zeros(1 << 17))), kind=zipfile.ZIP_STORED)
    end = once.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", once[end + 16 : end + 20])[0]
    entry = once[start:end]
    at = entry.index(b"0.npy")
    listed = b"".join(
        entry[:at] + bytes([48 + n]) + entry[at + 1 :] for n in range(40)
    )  # the local header keeps its name
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 40, 40, len(listed), start, 0)
    return once[:start] + listed + tail


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3, content])
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 0x7F | 0x80, tag >> 7])
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return head + length + bytes([size]) + content


ELSEWHERE = field(13, field(1, b"location") + field(2, b"../../../etc/passwd"))
EXTERNAL = field(1, 8) + field(7, field(5, ELSEWHERE))
NESTED = field(1, 8) + field(7, field(1, field(5, field(6, field(5, field(14, 1))))))
SAVED = {
    "sklearn": {"pickled_model": "model.skops"},
    "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"},
}


def mlx(**said: object) -> dict[str, object]:
    return MLX | {"mlx": MLX["mlx"] | said}


def python(**said: object) -> dict[str, object]:
    return MLX | {"python_function": MLX["python_function"] | said}
