"""Is a file what its name says? By its structure alone: nothing is built from what is in it."""

import ast
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from services.serving.skops_types import TRUSTED

PLAIN_NAMES = frozenset({"MLmodel", "LICENSE", "NOTICE", "README", ".gitattributes"})
LONGEST_HEADER = 16 << 20
LONGEST_TEXT = 64 << 20
_LONGEST_ARRAY_HEADER = 10_000
_CHUNK = 1 << 20
_MOST_ENTRIES = 20_000
_UNPACKED_BYTES = 16 << 30
_HARMLESS_BYTES = 64 << 20
"""So much may come out of however little."""
_MOST_RATIO = 100.0
_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16,
         "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64,
         "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}  # fmt: skip
_SKOPS_NODES = frozenset({"MethodNode", "OperatorFuncNode", "ReduceNode", "PartialNode"})
"""They call something when they are loaded."""
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError,
               OSError, OverflowError, MemoryError)  # fmt: skip
"""What zipfile says of archives that are none."""
_SKOPS_MODULES = ("sklearn", "numpy", "scipy", "builtins", "collections", "datetime")


class RefusedError(Exception):
    """Why a file is refused, as the end of a sentence."""


def text(file: Path) -> None:
    """Check that it is text in UTF-8."""
    _utf8(file)


def json_document(file: Path) -> None:
    """Check that it is JSON."""
    said = _utf8(file)
    try:
        json.loads(said)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"it is no JSON: {str(error)[:100]}") from error


def safetensors(file: Path) -> None:
    """Check the header, and that its tensors fill the file: nothing else has room in it."""
    size = file.stat().st_size
    with file.open("rb") as content:
        start = content.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, LONGEST_HEADER):
            raise RefusedError(
                f"its header says {length:,} bytes: more than the file has or a header may have"
            )
        raw = content.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RefusedError("its header is no JSON") from error
    if not isinstance(header, dict):
        raise RefusedError("its header is no JSON object")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(one, str) for one in about.values()):
        raise RefusedError("its metadata are not texts")
    end = 0
    for begin, after in sorted(_span(name, one) for name, one in header.items()):
        if begin != end:
            raise RefusedError("its tensors overlap, or leave room between them")
        end = after
    if end != size - 8 - length:
        raise RefusedError("it does not hold the bytes that its header tells of")


def _span(name: str, tensor: object) -> tuple[int, int]:
    try:
        assert isinstance(tensor, dict)  # noqa: S101 - told as the refusal below
        begin, end = tensor["data_offsets"]
        shape, bits = tensor["shape"], _BITS[tensor["dtype"]]
        whole = all(type(one) is int and one >= 0 for one in (begin, end, *shape))
        right = whole and (math.prod(shape) * bits + 7) // 8 == end - begin
    except (AssertionError, KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise RefusedError(f"its tensor {name[:60]!r} does not have the size of its shape")
    return begin, end


def npy(file: Path) -> None:
    """Check that it is an array of numbers."""
    with file.open("rb") as content:
        _array(content, file.stat().st_size)


def _array(content: IO[bytes], size: int) -> None:
    start = content.read(12)
    if len(start) < 12 or start[:6] != b"\x93NUMPY" or start[6] not in {1, 2, 3}:
        raise RefusedError("it is no NumPy array")
    short = start[6] == 1
    length = int.from_bytes(start[8:10] if short else start[8:12], "little")
    if length > _LONGEST_ARRAY_HEADER:
        raise RefusedError("the header of its array is too long")
    raw = start[10:] + content.read(length - 2) if short else content.read(length)
    try:
        said = ast.literal_eval(raw.decode("utf-8").strip())
        dtype, shape = np.dtype(said["descr"]), said["shape"]
        whole = isinstance(shape, tuple) and all(type(one) is int and one >= 0 for one in shape)
    except Exception as error:
        raise RefusedError("the header of its array cannot be read") from error
    if dtype.hasobject:
        raise RefusedError("it holds Python objects, which are a pickle")
    if not whole or math.prod(shape) * dtype.itemsize > size:
        raise RefusedError("its array is larger than the file")


def npz(file: Path) -> None:
    """Check that it is an archive of arrays of numbers, and no bomb."""
    for name, content, size in _entries(file):
        if not name.endswith(".npy"):
            raise RefusedError(f"{name[:80]!r} in it is no array")
        _array(content, size)


def skops(file: Path) -> None:
    """Check that it is an archive of a model's description and its arrays, and no bomb.

    Its types are those of scikit-learn, NumPy and SciPy that skops itself trusts.
    """
    seen: dict[str, bytes] = {}
    for name, content, size in _entries(file):
        if name == "schema.json":
            if size > LONGEST_TEXT:
                raise RefusedError("its description is too long")
            seen[name] = content.read()
        elif name.endswith(".npy"):
            _array(content, size)
        elif not name.endswith((".npz", ".json")):
            raise RefusedError(f"{name[:80]!r} in it is no array")
    try:
        schema = json.loads(seen["schema.json"])
        _check_nodes(schema)
    except (KeyError, ValueError, RecursionError) as error:
        raise RefusedError("it has no description that can be read") from error
    _ask_skops(file)


def _check_nodes(schema: object) -> None:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
            continue
        if not isinstance(node, dict):
            continue
        waiting += node.values()
        module, loader = node.get("__module__"), node.get("__loader__")
        if loader in _SKOPS_NODES:
            raise RefusedError(f"it calls something when it is loaded ({loader})")
        if isinstance(module, str) and module.partition(".")[0] not in _SKOPS_MODULES:
            name = f"{module}.{node.get('__class__')}"
            raise RefusedError(f"it holds {name[:100]!r}, a type that nobody vouches for")


def _ask_skops(file: Path) -> None:
    """Ask skops which types it would not load by itself; it builds none of them."""
    try:
        from skops.io import get_untrusted_types
    except ImportError as error:
        raise RefusedError("skops is not installed here, so nobody can check it") from error
    try:
        strange = sorted(set(get_untrusted_types(file=file)) - set(TRUSTED))
    except Exception as error:
        raise RefusedError(f"skops cannot read it ({type(error).__name__})") from error
    if strange:
        raise RefusedError(f"it holds {str(strange[0])[:100]!r}, a type that nobody vouches for")


def _entries(file: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    """Yield the files of an archive that is no bomb, each open."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = archive.infolist()
            _check_archive(found, file.stat().st_size)
            for one in found:
                _measure(archive, one)
                with archive.open(one) as content:
                    yield one.filename, content, one.file_size
    except _UNREADABLE as error:
        raise RefusedError(f"it is no archive that can be read ({error})") from error


def _check_archive(found: list[zipfile.ZipInfo], size: int) -> None:
    if len(found) > _MOST_ENTRIES:
        raise RefusedError(f"there are more than {_MOST_ENTRIES:,} files in it")
    names = [one.filename for one in found]
    if len(set(names)) != len(names):
        raise RefusedError("two files in it have one name")
    for one in found:
        _check_entry(one)
    packed, unpacked = sum(o.compress_size for o in found), sum(o.file_size for o in found)
    if packed > size:
        raise RefusedError("files in it overlap: it is a zip bomb")
    most = max(_HARMLESS_BYTES, _MOST_RATIO * size)
    if unpacked > min(most, _UNPACKED_BYTES):
        raise RefusedError(f"{unpacked:,} bytes would come out of {size:,}: it is a zip bomb")


def _check_entry(one: zipfile.ZipInfo) -> None:
    name, parts = one.filename, PurePosixPath(one.filename).parts
    if name.startswith("/") or ".." in parts or "\\" in name or one.is_dir():
        raise RefusedError(f"{name[:80]!r} in it leaves its folder")
    if one.external_attr >> 28 == 0xA or one.flag_bits & 1:
        raise RefusedError(f"{name[:80]!r} in it is a link or encrypted")
    if one.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise RefusedError(f"{name[:80]!r} in it is packed in an unusual way")


def _measure(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> None:
    """Unpack a file into nothing: as long as it says, and with its own checksum."""
    left = one.file_size
    with archive.open(one) as content:
        while piece := content.read(_CHUNK):
            left -= len(piece)
            if left < 0:
                break
    if left:
        raise RefusedError(f"{one.filename[:80]!r} in it has not the length it says")


def ubj(file: Path) -> None:
    """Check that it begins as a booster in UBJSON does."""
    with file.open("rb") as content:
        head = content.read(64)
    if head[:1] != b"{" or head[1:2] not in {b"L", b"i", b"U", b"I", b"l", b"$", b"#"}:
        raise RefusedError("it is no booster in UBJSON")


def _utf8(file: Path) -> str:
    if file.stat().st_size > LONGEST_TEXT:
        raise RefusedError("it is too long for text")
    raw = file.read_bytes()
    try:
        said = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError("it is no text") from error
    if "\0" in said:
        raise RefusedError("it is no text")
    return said


# ONNX: a protocol buffer; only the parts that could name another file are followed.

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION = range(7)
_PARTS: Mapping[int, Mapping[int, int]] = {
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TENSOR: {},
}


def onnx(file: Path) -> None:
    """Check that it is a model whose weights are all in it."""
    content = memoryview(file.read_bytes())
    kinds = [number for number, _, _ in _fields(content)]
    if 1 not in kinds or 7 not in kinds:
        raise RefusedError("it is no ONNX model")
    waiting = [(_MODEL, content, 0)]
    while waiting:
        kind, message, depth = waiting.pop()
        if depth > 64:
            raise RefusedError("its graphs lie too deep in each other")
        for number, value, whole in _fields(message):
            if kind == _TENSOR and (number == 13 or (number == 14 and whole == 1)):
                raise RefusedError("its weights are in another file, which it names itself")
            inner = _PARTS[kind].get(number)
            if inner is not None and value is not None:
                waiting.append((inner, value, depth + 1))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None, int]]:
    """Yield (number, bytes or None, whole number) of every field of a message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            length, at = _varint(message, at)
            if length > len(message) - at:
                raise RefusedError("it is cut off")
            yield number, message[at : at + length], 0
            at += length
        elif kind == 0:
            whole, at = _varint(message, at)
            yield number, None, whole
        elif kind in {1, 5}:
            at += 8 if kind == 1 else 4
            yield number, None, 0
        else:
            raise RefusedError("it is no ONNX model")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    whole = 0
    for place in range(10):
        if at + place >= len(message):
            break
        byte = message[at + place]
        whole |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return whole, at + place + 1
    raise RefusedError("it is cut off")
