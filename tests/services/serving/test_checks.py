"""The check before a switch, against a small server that answers as it is told."""

import json
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.errors import PlatformError
from services.serving import asking, checks
from services.serving.models import Field
from tests.services.serving.lab import bundle_info

GOOD = np.array([6.0, 14.0], dtype=np.float32)


def column(values: Any, name: str = "y", datatype: str = "FP32") -> tuple[dict[str, Any], bytes]:
    content = values if isinstance(values, bytes) else values.tobytes()
    shape = [2] if isinstance(values, bytes) else list(values.shape)
    return {"name": name, "datatype": datatype, "shape": shape, "bytes": len(content)}, content


def answered(*columns: tuple[dict[str, Any], bytes], **more: Any) -> bytes:
    header = {
        "id": 1, "ok": True, "outputs": [head for head, _ in columns], "state": "ready",
        "timing": {"model_ms": 1.5}, "stats": {"rss_bytes": 5}, "last": True,
    } | more  # fmt: skip
    told = json.dumps(header).encode()
    body = b"".join(content for _, content in columns)
    return struct.pack("<II", len(told), len(body)) + told + body


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Answer every request with the same bytes; yield the address."""
    path = Path(tempfile.mkdtemp(prefix="mlops-test-")) / "s"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                sizes = connection.recv(8, socket.MSG_WAITALL)
                if len(sizes) == 8:
                    connection.recv(sum(struct.unpack("<II", sizes)), socket.MSG_WAITALL)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"unix:{path}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
        path.unlink()
        path.parent.rmdir()


def test_a_good_answer_passes():
    with server(answered(column(GOOD))) as address:
        found = checks.check(address, bundle_info(1))
    assert found.well
    assert found.said == "Its example was answered well in 1.5 ms."


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([column(GOOD, name="z")], "lacks the column y"),
        ([column(GOOD.astype(np.float64), datatype="FP64")], "has the type FP64"),
        ([column(GOOD.reshape(2, 1))], "has the shape [2, 1]"),
        ([column(np.array([1.0, np.nan], dtype=np.float32))], "NaN"),
        ([column(np.array([1.0, np.inf], dtype=np.float32))], "NaN or ∞"),
        ([column(GOOD), column(GOOD[:1], name="z")], "not the same number"),
    ],
)
def test_a_bad_answer_does_not(columns, said):
    with server(answered(*columns)) as address:
        found = checks.check(address, bundle_info(1))
    assert not found.well
    assert said in found.said


def test_an_error_a_silence_and_nonsense_do_not_either():
    error = {"kind": "model", "message": "it is broken"}
    with server(answered(ok=False, error=error)) as address:
        found = checks.check(address, bundle_info(1))
    assert (found.well, "it is broken" in found.said) == (False, True)
    found = checks.check("unix:/nowhere", bundle_info(1))
    assert (found.well, "does not answer" in found.said) == (False, True)
    with server(b"nonsense" * 10) as address:
        assert not checks.check(address, bundle_info(1)).well
    with server(answered(state="loading")) as address:
        found = checks.check(address, bundle_info(1))
    assert (found.well, "'loading'" in found.said) == (False, True)


def test_how_it_differs_from_the_live_version_is_told():
    with server(answered(column(GOOD))) as new, server(answered(column(GOOD * 2))) as live:
        found = checks.check(new, bundle_info(2), live=(live, bundle_info(1)))
        assert found.said.endswith("Version 1 answers otherwise in y.")
        found = checks.check(new, bundle_info(2), live=(new, bundle_info(1)))
        assert found.said.endswith("Version 1 answers the same.")
        found = checks.check(new, bundle_info(2), live=("unix:/nowhere", bundle_info(1)))
        assert found.well


def test_a_version_without_an_example_is_only_asked_whether_it_is_ready():
    with server(answered()) as address:
        assert checks.check(address, bundle_info(1, example={})).well


def test_columns_are_written_as_the_wire_has_them():
    info = bundle_info(
        1,
        inputs=(
            Field("x", "FP32", (-1, 2)),
            Field("text", "BYTES", (-1,)),
            Field("flag", "BOOL", (-1,), optional=True),
        ),
    )
    heads, body = asking.encoded(info, {"x": [[1, 2]], "text": ["é"]})
    assert heads == [
        {"name": "x", "datatype": "FP32", "shape": [1, 2], "bytes": 8},
        {"name": "text", "datatype": "BYTES", "shape": [1], "bytes": 6},
    ]
    assert body == struct.pack("<ff", 1, 2) + struct.pack("<I", 2) + "é".encode()
    with pytest.raises(PlatformError, match="x is not of its type FP32"):
        asking.encoded(info, {"x": [["words"]]})


def test_texts_come_back_as_texts():
    said = b"".join(struct.pack("<I", len(one)) + one for one in (b"a", b"bc"))
    with server(answered(column(said, datatype="BYTES"))) as address:
        found = asking.ask(address, bundle_info(1), {"x": [[1.0, 2.0]]})
    assert found.columns[0].values == ["a", "bc"]
    assert found.columns[0].finite


def test_what_a_server_counts_is_asked():
    with server(answered()) as address:
        assert asking.stats(address) == {"rss_bytes": 5}
