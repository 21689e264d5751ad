"""Before a model server starts: what a person chose is held against model, environment, machine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.errors import InputError
from services.home import Home
from services.serving import bundle
from services.serving.backends import Machine
from services.serving.models import Backend, Target
from services.serving.preparing import Preparing
from services.serving.versions import Prepared
from tests.live import CONTRACT, eventually
from tests.services.serving.packages import contract, good, package, project

GIB = 1024**3
MAC = Machine("Apple M3 Max", True, True, False, 48 * GIB, 64 * GIB)
LINUX = Machine("AMD EPYC")
Prepare = Callable[..., Prepared]


@pytest.fixture
def prepare(tmp_path: Path) -> Iterator[Prepare]:
    """Return what prepares a version of a project with, or without, torch."""
    home, folder = Home(tmp_path / "home"), project(tmp_path / "projects" / "toy")
    home.create()
    (folder / "pyproject.toml").write_text(CONTRACT.format(id="toy"))
    (folder / "train.py").touch()
    packages = folder / ".venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    opened: list[Preparing] = []

    def run(
        machine: Machine, wish: Backend | None = None, *, entry: str = "toy.net:on_torch",
        torch: bool = True, memory_bytes: int = GIB,
    ) -> Prepared:  # fmt: skip
        if torch:
            (packages / "torch").mkdir()
            (packages / "torch" / "__init__.py").touch()
        bundle.of_package(package(home, good()), home, folder, contract(torch=entry))
        one = Preparing(
            home, journal, folder.parent, lambda path, *_: path / ".venv" / "bin" / "python",
            machine=lambda: machine,
        )  # fmt: skip
        opened.append(one)
        target = Target(3, backend=wish, memory_bytes=memory_bytes)

        def done() -> Prepared | None:
            found = one.ask("toy", "net", target)
            return None if isinstance(found, str) else found

        found: Prepared = eventually(done)
        return found

    yield run
    for one in opened:
        one.close()
    journal.close()


def test_where_nobody_chose_the_model_server_says_itself(prepare: Prepare):
    found = prepare(MAC)
    assert (found.backend, found.backend_reason) == ("auto", "")


def test_what_metal_cannot_hold_goes_to_torch_with_the_reason(prepare: Prepare):
    found = prepare(MAC, memory_bytes=44 * GIB)
    assert found.backend == "mps"
    assert "more than 90 % of the 48.0 GB" in found.backend_reason


def test_a_persons_choice_that_can_be_is_passed_on_with_its_reason(prepare: Prepare):
    found = prepare(LINUX, "cpu")
    assert (found.backend, found.backend_reason) == (
        "cpu", "Chosen by a person: PyTorch computes on the CPU.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "how", "why"),
    [
        ("cpu", {"torch": False}, "not in the project's environment"),
        ("cpu", {"entry": ""}, "names no torch model"),
        ("mps", {}, "There is no Metal on AMD EPYC"),
        ("cuda", {}, "There is no NVIDIA GPU on AMD EPYC"),
    ],
)
def test_a_persons_choice_that_cannot_be_is_refused_before_anything_starts(
    prepare: Prepare, wish: Backend, how: dict[str, object], why: str
):
    with pytest.raises(InputError, match=why):
        prepare(LINUX, wish, **how)


def test_without_torch_nothing_of_the_machine_is_asked(prepare: Prepare):
    assert prepare(None, torch=False, memory_bytes=100 * GIB).backend == "auto"
