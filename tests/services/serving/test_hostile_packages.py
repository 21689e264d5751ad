"""Hostile packages are refused before anything of them is parsed or loaded."""

import bz2
import gzip
import json
import lzma
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.errors import BundleError
from services.home import Home
from services.serving import bundle, bundle_formats, bundle_safety
from services.workflows import packaging
from tests.services.serving.hostile import (
    EXTERNAL,
    NESTED,
    SAVED,
    Trap,
    array,
    header,
    link,
    mlx,
    overlapping,
    pickled,
    python,
    skops,
    zipped,
)
from tests.services.serving.packages import (
    SIGNATURE,
    contract,
    good,
    mlmodel,
    package,
    project,
    safetensors,
)

Files = dict[str, bytes]


def bomb_of_yaml() -> bytes:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    return "\n".join(lines).encode()


HOSTILE: dict[str, tuple[Files, str]] = {
    "pickle by name": ({"model.pkl": pickled(5)}, "pickle"),
    "joblib by name": ({"model.joblib": b"anything"}, "pickle"),
    "torch by name": ({"model.pt": zipped(("data.pkl", pickled(2)))}, "pickle"),
    "torch weights": ({"pytorch_model.bin": zipped(("data.pkl", pickled(2)))}, "pickle"),
    "upper case": ({"MODEL.PKL": pickled(5)}, "pickle"),
    "pickle as safetensors": ({"model.safetensors": pickled(4)}, "header|pickle"),
    "pickle as json": ({"config.json": pickled(4)}, "pickle"),
    "pickle as text": ({"notes.txt": pickled(2)}, "pickle"),
    "pickle of protocol 0 as text": ({"notes.txt": pickled(0)}, "pickle"),
    "pickle of protocol 1 as text": ({"notes.md": pickled(1)}, "pickle|no text"),
    "pickle as onnx": ({"model.onnx": pickled(5)}, "pickle"),
    "pickle as array": ({"weights.npy": pickled(5)}, "pickle|NumPy"),
    "pickle as skops": ({"model.skops": pickled(5)}, "pickle"),
    "pickle as booster": ({"model.ubj": pickled(5)}, "pickle"),
    "pickle as MLmodel": ({"MLmodel": pickled(0)}, "pickle"),
    "pickle without a suffix": ({"data": pickled(5)}, "nothing here loads"),
    "gzipped pickle": ({"notes.txt": gzip.compress(pickled(5))}, "gzip"),
    "bzip2 pickle": ({"notes.txt": bz2.compress(pickled(5))}, "bzip2"),
    "xz pickle": ({"notes.txt": lzma.compress(pickled(5))}, "xz"),
    "zip under another name": ({"vocab.txt": zipped(("x.pkl", pickled(5)))}, "zip"),
    "objects in an array": ({"extra.npy": array([Trap()])}, "Python objects"),
    "objects in an archive of arrays": (
        {"extra.npz": zipped(("w.npy", array([Trap()])))},
        "Python objects",
    ),
    "pickle in an archive of arrays": ({"extra.npz": zipped(("w", pickled(4)))}, "no array"),
    "pickle in skops": ({"model.skops": skops({}, ("x.pkl", pickled(4)))}, "no array"),
    "code": ({"code/net.py": b"import os\n"}, "brings no code"),
    "code in a folder": ({"more/Code/x.txt": b"import os\n"}, "brings no code"),
    "a module": ({"net.py": b"import os\n"}, "brings no code"),
    "a library": ({"net.so": b"\x7fELF"}, "brings no code"),
    "a program as text": ({"notes.txt": b"#!/bin/sh\nrm -rf /\n"}, "a program"),
    "a library as text": ({"notes.txt": b"\x7fELF\2\1"}, "a program"),
    "bytes as text": ({"notes.txt": b"a\0b"}, "no text"),
    "header longer than the file": (
        {"model.safetensors": struct.pack("<Q", 1 << 40) + b"{}"},
        "header says 1,099,511,627,776",
    ),
    "oversized header": (
        {"model.safetensors": header(b"{" + b" " * (17 << 20) + b"}")},
        "a header may have",
    ),
    "cut safetensors": ({"model.safetensors": b"\1\0"}, "header"),
    "deep header": ({"model.safetensors": header(b"[" * 100_000)}, "no JSON"),
    "header that is a list": ({"model.safetensors": header([1])}, "no JSON object"),
    "room behind the tensors": ({"model.safetensors": safetensors() + pickled(4)}, "bytes"),
    "room between the tensors": (
        {
            "model.safetensors": header(
                {
                    "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                    "b": {"dtype": "U8", "shape": [1], "data_offsets": [9, 10]},
                },
                bytes(10),
            )
        },
        "overlap, or leave room",
    ),
    "tensors over each other": (
        {
            "model.safetensors": header(
                {
                    name: {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]} for name in "ab"
                },
                bytes(2),
            )
        },
        "overlap",
    ),
    "shape larger than its bytes": ({"model.safetensors": safetensors(shape=[1 << 40])}, "size of"),
    "negative shape": ({"model.safetensors": safetensors(shape=[-1, -8])}, "size of"),
    "unknown type": ({"model.safetensors": safetensors(dtype="PICKLE")}, "size of"),
    "deep JSON": ({"config.json": b"[" * 200_000}, "no JSON"),
    "zip bomb in skops": ({"model.skops": skops({}, ("w.npy", bytes(300 << 20)))}, "zip bomb"),
    "zip bomb in npz": ({"extra.npz": zipped(("w.npy", bytes(300 << 20)))}, "zip bomb"),
    "overlapping zip": ({"extra.npz": overlapping()}, "zip bomb|archive"),
    "path out of an archive": (
        {"extra.npz": zipped(("../../w.npy", array([1.0])))},
        "leaves its folder",
    ),
    "absolute path in an archive": ({"extra.npz": zipped(("/w.npy", array([1.0])))}, "leaves its"),
    "link in an archive": ({"extra.npz": zipped((link("w.npy"), b"/etc/passwd"))}, "is a link"),
    "foreign type in skops": (
        {"model.skops": skops({"__module__": "os", "__class__": "system", "__loader__": "X"})},
        "nobody vouches",
    ),
    "type of builtins in skops": (
        {
            "model.skops": skops(
                {"__module__": "builtins", "__class__": "eval", "__loader__": "FunctionNode",
                 "__id__": 1, "content": "x", "protocol": 2}
            )
        },
        "vouches|cannot read",
    ),
    "call in skops": (
        {
            "model.skops": skops(
                {"__module__": "builtins", "__class__": "x", "__loader__": "MethodNode"}
            )
        },
        "calls something",
    ),
    "no description in skops": ({"model.skops": zipped(("w.npy", array([1.0])))}, "description"),
    "weights of ONNX elsewhere": ({"model.onnx": EXTERNAL}, "another file"),
    "weights elsewhere in a graph in a graph": ({"model.onnx": NESTED}, "another file"),
    "no ONNX": ({"model.onnx": b"\x0a\x7f"}, "cut off"),
    "foreign loader": ({"MLmodel": mlmodel(python(loader_module="os"))}, "loader 'os'"),
    "loader of MLflow that unpickles": (
        {"MLmodel": mlmodel(python(loader_module="mlflow.pyfunc.model"))},
        "mlflow.pyfunc.model",
    ),
    "loader of another format": (
        {"MLmodel": mlmodel(python(loader_module="mlflow.sklearn"))},
        "mlflow.sklearn",
    ),
    "model from code": (
        {"MLmodel": mlmodel(python(model_code_path="model.txt"))},
        "code of its own",
    ),
    "code in the flavour": ({"MLmodel": mlmodel(mlx(code="code"))}, "code of its own"),
    "pickled Python model": ({"MLmodel": mlmodel(python(python_model="x.txt"))}, "code of its own"),
    "unknown flavour": ({"MLmodel": mlmodel({"keras": {"data": "config.json"}})}, "keras"),
    "no flavour": ({"MLmodel": mlmodel({"python_function": {}})}, "no flavour"),
    "weights out of the folder": (
        {"MLmodel": mlmodel(mlx(weights="../../../secret.safetensors"))},
        "leaves its folder",
    ),
    "absolute weights": ({"MLmodel": mlmodel(mlx(weights="/etc/passwd"))}, "leaves its folder"),
    "weights of another kind": ({"MLmodel": mlmodel(mlx(weights="config.json"))}, "no safetensors"),
    "entry of the standard library": ({"MLmodel": mlmodel(mlx(entry="os:system"))}, "no module of"),
    "entry of a package": ({"MLmodel": mlmodel(mlx(entry="pickle.loads:x"))}, "no module of"),
    "entry out of the folder": ({"MLmodel": mlmodel(mlx(entry="../evil:run"))}, "module:function"),
    "entry that is code": ({"MLmodel": mlmodel(mlx(entry="toy.net:f()"))}, "module:function"),
    "entry that is no text": ({"MLmodel": mlmodel(mlx(entry=["toy.net", "f"]))}, "module:function"),
    "tags in MLmodel": ({"MLmodel": b"!!python/object/apply:os.mkdir [x]"}, "cannot be read"),
    "YAML bomb": ({"MLmodel": bomb_of_yaml()}, "cannot be read"),
    "deep YAML": ({"MLmodel": b"[" * 5000}, "cannot be read"),
    "long MLmodel": ({"MLmodel": b"# " + b"x" * (1 << 20)}, "longer than"),
    "MLmodel that is a list": ({"MLmodel": b"[1]"}, "cannot be read"),
    "no signature": ({"MLmodel": mlmodel(signature=None)}, "without a signature"),
    "signature that is none": (
        {"MLmodel": mlmodel(signature=SIGNATURE | {"inputs": '[{"type": "object"}]'})},
        "no request can carry",
    ),
    "one name twice": (
        {
            "MLmodel": mlmodel(
                signature=SIGNATURE | {"inputs": '[{"type":"long","name":"a"},' * 1
                + '{"type":"long","name":"a"}]'}
            )
        },
        "one name",
    ),
    "hidden file": ({".hidden.pkl": pickled(4)}, "pickle"),
    "two names that are one on a Mac": ({"Config.json": b"{}"}, "one file on a Mac"),
    "name with a line break": ({"a\nb.txt": b"x"}, "a name that is none"),
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def refused(home: Home, files: Files, match: str) -> None:
    packed = package(home, good() | files)
    with pytest.raises(BundleError, match=match) as told:
        bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())
    assert str(told.value).endswith(".")
    assert bundle.kept(home) == ()
    left = [path.name for path in (home.serving / "bundles/toy/net").iterdir()]
    assert left == [".3.lock"]


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_and_nothing_of_it_was_loaded(
    home: Home, monkeypatch: pytest.MonkeyPatch, case: str
):
    trap = home.root.parent / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("a pickle was loaded"))
    monkeypatch.setattr(pickle, "loads", lambda *_, **__: pytest.fail("a pickle was loaded"))
    files, match = HOSTILE[case]
    refused(home, files, match)
    assert not trap.exists()


def test_the_good_package_is_let_in(home: Home):
    packed = package(home, good() | {
        "more/notes.md": b"# code and data\n", "requirements.txt": b"mlx==0.32.4\n",
        "extra.npz": zipped(("w.npy", array(np.zeros((100, 100))))),
        "extra.npy": array(np.arange(5)), "conda.yaml": b"name: x\n",
        "tokenizer.json": b'{"a": [1, 2, NaN]}',
    })  # fmt: skip
    made = bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())
    assert made.size_bytes > packed.size_bytes


@pytest.mark.parametrize("length", [0x2123, 0x5A4D, 0x8B1F, 0x0480, 0x0280])
def test_a_header_as_long_as_the_mark_of_another_format_is_none(home: Home, length: int):
    raw = header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})[8:]
    files = {"model.safetensors": header(raw.ljust(length), bytes(8))}
    packed = package(home, good() | files)
    made = bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())
    assert made.info.weights_bytes == length + 16


def linked(folder: Path) -> None:
    (folder / "link.json").symlink_to("/etc/hostname")


def linked_folder(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")


def dangling(folder: Path) -> None:
    (folder / "link.json").symlink_to("nowhere")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.json")


def deep(folder: Path) -> None:
    (folder / "/".join("d" * 1 for _ in range(20))).mkdir(parents=True)


@pytest.mark.parametrize(
    ("disturb", "match"),
    [
        (linked, "symbolic link"),
        (linked_folder, "symbolic link"),
        (dangling, "symbolic link"),
        (pipe, "no plain file"),
        (deep, "leaves its folder|deeper"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_no_plain_file_is_refused(home: Home, disturb: Callable[[Path], None], match: str):
    packed = package(home, good())
    disturb(packed.files)
    with pytest.raises(BundleError, match=match):
        bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())


def test_a_link_put_into_the_place_of_a_file_is_refused(home: Home):
    packed = package(home, good())
    (packed.files / "config.json").unlink()
    (packed.files / "config.json").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="symbolic link"):
        bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/x", "a//x", "./x", "", "a\\b", "c:x", "a\0b", "x" * 1001]
)
def test_no_path_leaves_its_folder(path: str):
    with pytest.raises(BundleError, match="leaves its folder"):
        bundle_safety.check_path(path)


def test_a_manifest_that_leaves_the_folder_is_refused_though_it_is_signed(home: Home):
    packed = package(home, good())
    made = bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())
    said = json.loads((made.folder / "manifest.json").read_bytes())
    said["files"].append({"path": "../../../../secrets/x", "bytes": 1, "sha256": ""})
    with pytest.raises(BundleError, match="leaves its folder"):
        bundle._check_hashes(made.folder, said, "net")


def test_a_module_named_as_one_of_the_standard_library_is_no_entry(home: Home):
    folder = project(home.root.parent / "toy")
    (folder / "shutil.py").write_text("def rmtree(weights, config): ...\n")
    packed = package(home, good() | {"MLmodel": mlmodel(mlx(entry="shutil:rmtree"))})
    with pytest.raises(BundleError, match="no module of its project's folder"):
        bundle.of_package(packed, home, folder, contract())


def test_skops_of_scikit_learn_is_let_in(home: Home):
    sklearn_io = pytest.importorskip("skops.io")
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
    files = {"MLmodel": mlmodel(SAVED), "model.skops": sklearn_io.dumps(fitted)}
    packed = package(home, files)
    made = bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())
    assert (made.info.format, made.info.flavor) == ("skops", "skops")
    assert (made.info.preferred_backend, made.info.batchable) == ("cpu", True)
    assert made.info.weights_bytes == len(files["model.skops"])


def test_skops_with_a_function_of_a_stranger_is_refused(home: Home):
    sklearn_io = pytest.importorskip("skops.io")
    from sklearn.preprocessing import FunctionTransformer

    files = {
        "MLmodel": mlmodel(SAVED),
        "model.skops": sklearn_io.dumps(FunctionTransformer(func=os.system)),
    }
    packed = package(home, files)
    with pytest.raises(BundleError, match=r"nobody vouches|calls something"):
        bundle.of_package(packed, home, project(home.root.parent / "toy"), contract())


def test_a_pickle_is_known_and_a_text_is_none():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert bundle_safety.is_pickle(pickled(protocol)), protocol
    for text in ("", "code\n", "(a)", "cat\nsat\n", "I am.", "N.", "# c\n.", "S'a'\n."):
        assert not bundle_safety.is_pickle(text.encode()), text


def test_the_longest_header_is_longer_than_that_of_any_model():
    assert bundle_formats.LONGEST_HEADER >= 16 << 20
    assert packaging.FILES == bundle.MODEL
