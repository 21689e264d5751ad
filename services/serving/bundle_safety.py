"""Files of strangers, looked at before anything loads them: their names and what is in them.

Only formats that hold data are let in, each checked for being what its name says. A file that could
run something when it is loaded is refused under every name.
"""

import io
import os
import pickletools
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.errors import BundleError
from services.serving import bundle_formats as formats
from services.serving.bundle_formats import RefusedError

MOST_FILES, DEEPEST = 10_000, 12
_AGAIN = "Register the model again as safetensors, ONNX, skops or a booster's own JSON."
_PICKLES = frozenset({".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth",
                      ".bin", ".ckpt", ".h5", ".hdf5", ".keras", ".mar"})  # fmt: skip
_CODE = frozenset({".py", ".pyc", ".pyo", ".pyd", ".so", ".dylib", ".dll", ".sh", ".exe", ".jar",
                   ".whl", ".egg", ".ipynb"})  # fmt: skip
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x7fELF": "a program",
    b"\xcf\xfa\xed\xfe": "a program",
    b"\xca\xfe\xba\xbe": "a program",
    b"MZ": "a program",
    b"#!": "a program",
    b"\x89HDF\r\n\x1a\n": "HDF5",
}
_CALLS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD", "NEWOBJ",
                    "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"})  # fmt: skip
_LOOKED_AT = 1 << 20
"""Of a file that is no text, for what hides under another name."""
_CHECKS: Mapping[str, Callable[[Path], None]] = {
    ".safetensors": formats.safetensors,
    ".json": formats.json_document,
    ".onnx": formats.onnx,
    ".skops": formats.skops,
    ".npz": formats.npz,
    ".npy": formats.npy,
    ".ubj": formats.ubj,
    ".lgb": formats.text,
    ".txt": formats.text,
    ".md": formats.text,
    ".csv": formats.text,
    ".yaml": formats.text,
    ".yml": formats.text,
    ".jinja": formats.text,
}
_ZIPPED = frozenset({".skops", ".npz"})


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a folder."""

    path: str
    """Below the folder, with slashes."""
    bytes: int


def files(folder: Path) -> tuple[Found, ...]:
    """Return all files of a folder, by path; none of them is opened.

    Raises:
        BundleError: Something in it is no plain file, or its name cannot be told.
    """
    found = tuple(sorted(_walked(folder, ""), key=lambda one: one.path))
    if len(found) > MOST_FILES:
        raise BundleError(f"There are more than {MOST_FILES:,} files.", _AGAIN)
    seen: dict[str, str] = {}
    for one in found:
        same = seen.setdefault(unicodedata.normalize("NFC", one.path).casefold(), one.path)
        if same != one.path:
            raise BundleError(f"{one.path!r} and {same!r} are one file on a Mac.", _AGAIN)
    return found


def check_path(path: str) -> str:
    """Return a file's path below its folder unchanged.

    Raises:
        BundleError: It leaves the folder, or cannot be written everywhere.
    """
    parts = path.split("/")
    plain = all(part not in {"", ".", ".."} for part in parts)
    printable = path.isprintable() and "\\" not in path and ":" not in path
    if not plain or not printable or len(parts) > DEEPEST or len(path.encode()) > 1000:
        raise BundleError(
            f"The file {path[:200]!r} leaves its folder, or has a name that is none everywhere.",
            "Nothing of it was read.",
        )
    return path


def check_files(folder: Path) -> None:
    """Check the files of a registered model.

    Raises:
        BundleError: One of them is refused; the message says which and why.
    """
    found = files(folder)
    for one in found:
        _check_name(one.path)
    for one in found:
        try:
            _check_content(folder / one.path)
        except RefusedError as error:
            raise BundleError(
                f"{one.path} is refused: {error}.", f"Nothing was loaded. {_AGAIN}"
            ) from error
        except OSError as error:
            raise BundleError(f"{one.path} cannot be read: {error.strerror or error}.") from error


def _walked(folder: Path, above: str, depth: int = 0) -> Iterator[Found]:
    if depth >= DEEPEST:
        raise BundleError(f"{above} lies deeper than {DEEPEST} folders.", _AGAIN)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise BundleError(f"{folder} cannot be read: {error.strerror or error}.") from error
    if len(entries) > MOST_FILES:
        raise BundleError(f"There are more than {MOST_FILES:,} files.", _AGAIN)
    for entry in entries:
        path = check_path(f"{above}{entry.name}")
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            yield from _walked(folder / entry.name, f"{path}/", depth + 1)
        elif stat.S_ISREG(status.st_mode):
            yield Found(path, status.st_size)
        else:
            kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no plain file"
            raise BundleError(
                f"{path} is {kind}.", "Nothing of it was read: only files are let in."
            )


def _check_name(path: str) -> None:
    name = PurePosixPath(path)
    folders = {part.casefold() for part in name.parts[:-1]}
    suffix = name.suffix.casefold()
    if "code" in folders or suffix in _CODE:
        raise BundleError(
            f"{path} is refused: a registered model brings no code of its own.",
            "Its code belongs into the project, which is in git; register the weights alone.",
        )
    if suffix in _PICKLES:
        raise BundleError(
            f"{path} is refused: a pickle can run anything when it is loaded, and this is one by "
            "its name.",
            f"Nothing was loaded. {_AGAIN}",
        )
    if suffix not in _CHECKS and name.name not in formats.PLAIN_NAMES:
        raise BundleError(f"{path} is refused: nothing here loads such a file.", _AGAIN)


def _check_content(file: Path) -> None:
    suffix = file.suffix.casefold()
    check = _CHECKS.get(suffix, formats.text)
    with file.open("rb") as content:
        # A pickle of the first protocols is text, and could have its end anywhere.
        head = content.read(formats.LONGEST_TEXT if check is formats.text else _LOOKED_AT)
    if suffix not in _ZIPPED and suffix != ".safetensors":  # which begins with a number
        for magic, kind in _PACKED.items():
            if head.startswith(magic):
                raise RefusedError(f"what is in it is {kind}")
    if suffix != ".safetensors" and is_pickle(head):
        raise RefusedError("what is in it is a pickle, which can run anything when it is loaded")
    check(file)


def is_pickle(content: bytes) -> bool:
    """Return whether it is one, of whatever protocol; nothing of it is run."""
    if len(content) > 2 and content[0] == 0x80 and 2 <= content[1] <= 5:
        return True
    calls = False
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(content)):
            calls = calls or opcode.name in _CALLS
            if opcode.name == "STOP":
                return calls
    except Exception:  # noqa: BLE001 - whatever it says, it does not read as a pickle
        return False
    return False
