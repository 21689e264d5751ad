"""How well a project keeps the contract: checks that hold or not, each with its mend."""

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.projects.contract import Contract, Project

ENV_FILE = ".mlops.env"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a project should have."""

    what: str
    holds: bool
    mend: str


def checks(project: Project) -> tuple[Check, ...]:
    """Return the checks of a folder; a broken contract fails all that build on it."""
    readable = Check(
        "The contract reads: [tool.mlops] is there and valid",
        project.contract is not None,
        " ".join(project.reasons),
    )
    if project.contract is None:
        return (readable,)
    return (readable, *_contract_checks(project.path, project.contract), *_folder_checks(project))


def score(found: tuple[Check, ...]) -> float:
    """Return the share of the checks that hold, 0–1."""
    return sum(check.holds for check in found) / len(found)


def _contract_checks(path: Path, contract: Contract) -> Iterator[Check]:
    yield _entry_check(path, "train", contract.train)
    yield _entry_check(path, "evaluate", contract.evaluate)
    if contract.smoke:
        yield _entry_check(path, "smoke", contract.smoke)
    yield Check(
        "A primary metric is declared",
        contract.primary_metric is not None,
        'Add primary_metric = { name = "val_accuracy", goal = "max" }.',
    )
    yield Check(
        "At least one promotion gate is declared",
        bool(contract.gates),
        'Add gates = { val_accuracy = ">= 0.90" }.',
    )
    yield Check(
        "The folder for models is declared",
        bool(contract.models),
        'Add models = ["models/"], so that models can be versioned.',
    )


def _entry_check(path: Path, name: str, command: str) -> Check:
    what = f"The {name} command names a file that is there"
    if not command:
        return Check(what, holds=False, mend=f'Add {name} = "python {name}.py".')
    missing = missing_script(path, command)
    return Check(what, not missing, missing)


def missing_script(path: Path, command: str) -> str:
    """Return what is wrong with an entry point, empty when its program and script are there."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"{command!r} is no command ({error})."
    script = next((word for word in words if word.endswith(".py")), None)
    if not words:
        return "The command is empty."
    if script is not None and not _is_file(path / script):
        return f"{command!r} names {script}, which is not in the folder."
    if script is None and shutil.which(words[0]) is None and not _is_file(path / words[0]):
        return f"{words[0]} of {command!r} is not an installed program."
    return ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long to be one, a folder nobody may look into
        return False


def _folder_checks(project: Project) -> Iterator[Check]:
    path = project.path
    pinned = any((path / name).is_file() for name in ("requirements.txt", "uv.lock"))
    yield Check(
        "Its packages are pinned",
        pinned,
        "Run `uv export --format requirements.txt -o requirements.txt` in its folder.",
    )
    yield Check(
        "Its environment is built", (path / ".venv").is_dir(), "It is built at the first run."
    )
    yield Check(
        "It says what it is: README.md", (path / "README.md").is_file(), "Write a README.md."
    )
    yield Check(
        "It is connected to the shared MLflow",
        (path / ENV_FILE).is_file(),
        "The platform connects it within 30 s of finding it; see `mlops status`.",
    )
