"""A bundle is there whole or not at all, signed, read-only, and opened only as it was signed."""

import json
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.errors import BundleError, NotFoundError, PlatformError
from services.home import Home
from services.serving import bundle, bundle_safety, interface, signing
from services.serving.bundle import Bundle
from services.workflows import packaging
from services.workflows.packaging import Package
from tests.services.serving.packages import (
    contract,
    described,
    good,
    mlmodel,
    package,
    project,
    safetensors,
)
from tests.workflows.small_mlflow import SmallMLflow


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "toy")


@pytest.fixture
def packed(home: Home) -> Package:
    return package(home, good())


@pytest.fixture
def made(packed: Package, home: Home, folder: Path) -> Bundle:
    return bundle.of_package(packed, home, folder, contract())


def versions(home: Home) -> list[int]:
    return [one.version for one in bundle.kept(home)]


def opened(home: Home) -> Bundle:
    return bundle.open(home, "toy", "net", 3)


def loosen(path: Path) -> None:
    """Make a bundle writable, as somebody would who wants to change it."""
    for above, _, names in os.walk(path):
        Path(above).chmod(0o700)
        for name in names:
            Path(above, name).chmod(0o600)


def tampered(made: Bundle) -> Path:
    loosen(made.folder)
    return made.folder


def test_a_bundle_is_files_info_manifest_and_signature(made: Bundle, home: Home):
    assert made.folder == home.serving / "bundles" / "toy" / "net" / "3"
    names = {one.path for one in bundle_safety.files(made.folder)}
    assert names == {"manifest.json", "signature.json", "serving.json", "model/MLmodel",
                     "model/config.json", "model/model.safetensors"}  # fmt: skip
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    assert {one["path"] for one in manifest["files"]} == names - {"manifest.json", "signature.json"}
    assert {k: v for k, v in manifest.items() if k not in {"files", "package"}} == {
        "v": 1, "project": "toy", "model": "net", "version": 3, "run_id": "r1", "git_commit": "c1",
        "data_revision": "d1", "source": "s", "registered_ms": 1,
    }  # fmt: skip
    assert (made.model / "model.safetensors").read_bytes() == safetensors()


def test_what_it_knows_of_the_version(made: Bundle, home: Home):
    assert opened(home) == made
    assert (made.info.interface, made.info.entry) == ("classifier", "toy.net:predictor")
    assert (made.info.weights_bytes, made.info.quantised_bits) == (len(safetensors()), 4)
    assert (made.info.run_id, made.info.git_commit, made.info.data_revision) == ("r1", "c1", "d1")
    assert (made.info.technique, made.info.preferred_backend) == ("good", "mlx")
    assert made.name == "net version 3"


def test_everything_in_it_is_read_only(made: Bundle):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made.folder.rglob("*") if path.is_file()}
    assert modes == {0o444}
    folders = {made.folder, *(path for path in made.folder.rglob("*") if path.is_dir())}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o555}


def test_a_second_build_leaves_it_alone(made: Bundle, packed: Package, home: Home, folder: Path):
    before = (made.folder / "manifest.json").stat().st_ino
    assert bundle.of_package(packed, home, folder, contract()) == made
    assert (made.folder / "manifest.json").stat().st_ino == before
    assert versions(home) == [3]


def test_another_contract_makes_another_bundle(
    made: Bundle, packed: Package, home: Home, folder: Path
):
    again = bundle.of_package(packed, home, folder, contract(title="Better"))
    assert (again.info.title, again.digest == made.digest) == ("Better", False)
    assert opened(home) == again


def test_another_run_under_the_same_number_makes_another_bundle(
    made: Bundle, home: Home, folder: Path
):
    packed = described(packaging.folder_of(home, "toy", "net", 3), project="toy", model="net",
                       version=3, run_id="r2")  # fmt: skip
    assert bundle.of_package(packed, home, folder, contract()).info.run_id == "r2"


def change_a_byte(folder: Path) -> None:
    file = folder / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")


def add_a_file(folder: Path) -> None:
    (folder / "model" / "extra.json").write_text("{}")


def add_beside(folder: Path) -> None:
    (folder / "extra").write_text("x")


def drop_a_file(folder: Path) -> None:
    (folder / "model" / "config.json").unlink()


def cut_a_file(folder: Path) -> None:
    os.truncate(folder / "model" / "model.safetensors", 20)


def change_the_info(folder: Path) -> None:
    said = json.loads((folder / "serving.json").read_bytes())
    (folder / "serving.json").write_text(json.dumps(said | {"entry": "evil:load"}))


def change_the_manifest(folder: Path) -> None:
    said = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(said | {"git_commit": "other"}))


def drop_the_signature(folder: Path) -> None:
    (folder / "signature.json").unlink()


def break_the_signature(folder: Path) -> None:
    (folder / "signature.json").write_text("{}")


def link_a_file(folder: Path) -> None:
    (folder / "model" / "config.json").unlink()
    (folder / "model" / "config.json").symlink_to("/etc/hostname")


def link_a_folder(folder: Path) -> None:
    (folder / "model").rename(folder.parent / "elsewhere")
    (folder / "model").symlink_to(folder.parent / "elsewhere")


def pipe_instead_of_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")


def link_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "manifest.json")
    (folder / "manifest.json").symlink_to(folder.parent / "manifest.json")


TAMPERED = {
    change_a_byte: "its hash is another",
    add_a_file: "not in its manifest",
    add_beside: "not in its manifest",
    drop_a_file: "is missing",
    cut_a_file: "another size",
    change_the_info: "another size|its hash",
    change_the_manifest: "not what was signed",
    drop_the_signature: "signature.json of net version 3 of toy is missing",
    break_the_signature: "signature cannot be read",
    link_a_file: "symbolic link",
    link_a_folder: "symbolic link",
    pipe_instead_of_the_manifest: "cannot be used|symbolic",
    link_the_manifest: "cannot be used",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda one: one.__name__)
def test_what_was_tampered_with_is_refused_and_built_anew(
    made: Bundle, packed: Package, home: Home, folder: Path, tamper
):
    tamper(tampered(made))
    with pytest.raises(BundleError, match=TAMPERED[tamper]):
        opened(home)
    again = bundle.of_package(packed, home, folder, contract())
    assert again.manifest == made.manifest
    assert opened(home) == again


def test_a_wrong_signature_is_found_before_anything_is_parsed(
    made: Bundle, home: Home, monkeypatch: pytest.MonkeyPatch
):
    folder = tampered(made)
    (folder / "manifest.json").write_bytes(b"{" * 1000)
    monkeypatch.setattr(bundle, "_parsed", lambda *_: pytest.fail("the manifest was parsed"))
    monkeypatch.setattr(bundle, "_info", lambda *_: pytest.fail("serving.json was parsed"))
    with pytest.raises(BundleError, match="not what was signed"):
        opened(home)


def test_a_wrong_hash_is_found_before_what_it_says_is_parsed(
    made: Bundle, home: Home, monkeypatch: pytest.MonkeyPatch
):
    change_a_byte(tampered(made))
    monkeypatch.setattr(bundle, "_info", lambda *_: pytest.fail("serving.json was parsed"))
    with pytest.raises(BundleError, match="hash is another"):
        opened(home)


def test_a_bundle_of_another_version_in_its_place_is_refused(
    made: Bundle, home: Home, folder: Path
):
    older = bundle.of_package(package(home, good(), version=2), home, folder, contract())
    shutil.rmtree(tampered(made))
    tampered(older).rename(made.folder)
    with pytest.raises(BundleError, match="another version, put into its place"):
        opened(home)


def test_a_bundle_signed_elsewhere_is_refused(made: Bundle, home: Home, tmp_path: Path):
    content = (made.folder / "manifest.json").read_bytes()
    foreign = signing.sign(Home(tmp_path / "other"), content)
    (tampered(made) / "signature.json").write_bytes(foreign)
    with pytest.raises(BundleError, match="not the one of this installation"):
        opened(home)


def test_no_bundle_is_a_sentence(home: Home, made: Bundle):
    with pytest.raises(BundleError, match="has no bundle"):
        bundle.open(home, "toy", "net", 9)
    with pytest.raises(BundleError, match="has no bundle"):
        bundle.open(home, "nobody", "net", 1)


def test_a_damaged_package_makes_no_bundle(packed: Package, home: Home, folder: Path):
    (packed.files / "config.json").write_text('{"bits": 8}')
    with pytest.raises(BundleError, match=r"config\.json is not as it was fetched"):
        bundle.of_package(packed, home, folder, contract())
    assert versions(home) == []
    assert [path.name for path in (home.serving / "bundles/toy/net").iterdir()] == [".3.lock"]


def test_a_build_that_breaks_off_leaves_what_was_there(
    made: Bundle, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    other = package(Home(home.root.parent / "other"), good() | {"config.json": b'{"bits": 8}'})
    monkeypatch.setattr(interface, "info", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(PlatformError, match="full"):
        bundle.of_package(other, home, folder, contract())
    assert opened(home) == made
    assert sorted(path.name for path in made.folder.parent.iterdir()) == [".3.lock", "3"]


KILLED = """
import os, signal, sys
from pathlib import Path
from services.home import Home
from services.serving import bundle, disk
from services.workflows import packaging
from tests.services.serving.packages import contract

home, folder, step = Home(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
place = bundle if hasattr(bundle, step) else disk
before = getattr(place, step)
def die(*args):
    if step == "_swap":
        before(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, step, die)
if step == "delete":  # in the middle of the exchange: the old one is away, the new one there
    bundle._sweep = lambda target: None
packed = packaging.read(packaging.folder_of(home, "toy", "net", 3))
bundle.of_package(packed, home, folder, contract(title="killed"))
"""


@pytest.mark.parametrize("step", ["_copied", "seal", "_swap", "delete"])
def test_a_build_that_was_killed_leaves_a_whole_bundle_or_none(
    made: Bundle, packed: Package, home: Home, folder: Path, step: str
):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(home.root), str(folder), step], check=False, timeout=60
    )
    assert done.returncode == -9
    killed_late = step in {"_swap", "delete"}
    assert opened(home).info.title == ("killed" if killed_late else "")
    again = bundle.of_package(packed, home, folder, contract(title="after"))
    assert opened(home) == again
    assert sorted(path.name for path in made.folder.parent.iterdir()) == [".3.lock", "3"]


def test_builds_at_once_make_one_bundle(packed: Package, home: Home, folder: Path):
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda _: bundle.of_package(packed, home, folder, contract()), range(12))
        )
    assert len({one.digest for one in found}) == 1
    assert sorted(path.name for path in found[0].folder.parent.iterdir()) == [".3.lock", "3"]


def test_a_reader_never_sees_less_than_a_bundle_while_it_is_exchanged(
    made: Bundle, packed: Package, home: Home, folder: Path
):
    def exchange(number: int) -> str:
        return bundle.of_package(packed, home, folder, contract(title=str(number))).info.title

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(exchange, number) for number in range(10)]
        readers = [pool.submit(lambda: opened(home).info.title) for _ in range(30)]
        assert [one.result() for one in writers] == [str(number) for number in range(10)]
        assert {one.result() for one in readers} <= {"", *map(str, range(10))}


def test_no_room_is_told_before_anything_is_copied(
    packed: Package, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packaging, "_RESERVE_BYTES", 1 << 60)
    with pytest.raises(PlatformError, match="GB are free"):
        bundle.of_package(packed, home, folder, contract())


def test_a_removed_bundle_is_gone(made: Bundle, home: Home):
    (one,) = bundle.kept(home)
    assert bundle.remove(home, one, unused_since=one.used_at)
    assert not bundle.remove(home, one, unused_since=one.used_at)
    assert bundle.kept(home) == ()
    assert [path.name for path in made.folder.parent.iterdir()] == [".3.lock"]


# From the registry


@pytest.fixture
def tracked() -> SmallMLflow:
    known = SmallMLflow()
    known.add("r1", val_accuracy=0.95)
    known.register("r1", 3, model__safetensors=safetensors(), config__json="{}", MLmodel=mlmodel())
    return known


def build(tracked: SmallMLflow, home: Home, folder: Path, version: int = 3) -> Bundle:
    return bundle.build(tracked.adapter(), home, folder, contract(), "toy", "net", version)


def test_a_registered_version_becomes_a_bundle(tracked: SmallMLflow, home: Home, folder: Path):
    made = build(tracked, home, folder)
    assert (made.info.run_id, made.info.version) == ("r1", 3)
    fetched = len(tracked.fetched)
    assert build(tracked, home, folder) == made
    assert len(tracked.fetched) == fetched
    assert opened(home) == made


def test_a_version_that_is_not_there_is_said_to_be(tracked: SmallMLflow, home: Home, folder: Path):
    with pytest.raises(NotFoundError, match="no net version 9"):
        build(tracked, home, folder, 9)


def test_fetching_at_once_makes_one_bundle(tracked: SmallMLflow, home: Home, folder: Path):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: build(tracked, home, folder), range(4)))
    assert len({one.digest for one in found}) == 1
