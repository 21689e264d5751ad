"""Projects with versions of data and models, made by the real DVC and git."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home
from tests.services.data.conftest import contract, write

GROWN = "lora-finetuning"
"""Six versions of data, two of models; the folder is as its version has it."""
CHANGED = "clip-finetuning"
"""Two versions, files changed since; one waits for the remote; shares its data with NEW."""
NEW = "stable-diffusion"
"""Files, and no version yet."""
LISTLESS = "quantized-optimization"
"""Lists no data; a version of models."""
BROKEN = "cpu-compression"
"""Its data repository is damaged, when asked for."""
PROJECTS = (GROWN, CHANGED, NEW, LISTLESS, BROKEN)


def fill(home: Home, projects: Path) -> None:
    """Make the projects' folders below ``projects``, and their versions in the home."""
    service = DataService(Remote(home))
    for name in PROJECTS:
        folder = projects / name
        folder.mkdir(parents=True)
        contract(folder, name, [] if name == LISTLESS else ["data/"], ["models/"])
        service.configure(name, folder)
    _grown(service, projects / GROWN)
    _changed(service, projects / CHANGED)
    write(projects / NEW / "data" / "images" / "0001.png", b"\x89PNG" * 900)
    for name in (LISTLESS, BROKEN):
        write(projects / name / "models" / "adapter.safetensors", os.urandom(42_000))
        service.track(projects / name, "models")
    for name in (GROWN, CHANGED, LISTLESS):
        _spread(home.root / "data" / name)


def _grown(service: DataService, folder: Path) -> None:
    for step in range(6):
        for number in range(3 + 4 * step):
            part = folder / "data" / "train" / f"part-{number:04d}.jsonl"
            if not part.exists() or number == step:
                write(part, os.urandom(4_000 + 900 * number + 70 * step))
        write(folder / "data" / "README.md", f"Data of the assistant, edition {step + 1}\n")
        if step == 4:
            (folder / "data" / "train" / "part-0000.jsonl").unlink()
        found = service.track(folder, "data")
        if step < 4:
            sent(service, GROWN, found.revision)
    for step in range(2):
        write(folder / "models" / "adapter.safetensors", os.urandom(90_000 + 9_000 * step))
        service.track(folder, "models")


def _changed(service: DataService, folder: Path) -> None:
    for step in range(2):
        write(folder / "data" / "pairs.csv", f"edition {step}\n" * 4_000)
        write(folder / "data" / f"images-{step}.tar", os.urandom(30_000))
        found = service.track(folder, "data")
    with service.project(CHANGED).place.changing() as state:
        state.setdefault("queue", {})[found.revision] = {
            "kind": "data",
            "since": (datetime.now(UTC) - timedelta(minutes=25)).isoformat(),
            "tries": 3,
            "reason": "The remote cannot be reached: connection refused.",
            "tried_at": datetime.now(UTC).isoformat(),
        }
    service.share(CHANGED, NEW, "data", "ana")
    write(folder / "data" / "pairs.csv", "changed since\n")


def sent(service: DataService, project: str, revision: str | None) -> None:
    """Write down that the remote has a version, as sending it does."""
    with service.project(project).place.changing() as state:
        state.setdefault("sent", {})[revision] = datetime.now(UTC).isoformat()


def copied(mould: Home, home: Home) -> None:
    """Put the versions of a filled home into another; both lead to the same folders.

    As links: a test writes a new file in the place of the old one, as git and the service do.
    """
    for name in ("data", "dvc"):
        shutil.copytree(
            mould.root / name, home.root / name, copy_function=os.link, dirs_exist_ok=True
        )


def damage(home: Home, project: str = BROKEN) -> None:
    """Let a project's data repository have lost the commit it is at."""
    write(home.root / "data" / project / ".git" / "refs" / "heads" / "main", "0" * 39 + "1\n")


def _spread(repository: Path, days: float = 2.5) -> None:
    """Give the commits the times of some days' work: they are written anew, with other dates."""
    commits = _git(repository, "rev-list", "--reverse", "main").split()
    parent: list[str] = []
    for number, commit in enumerate(commits):
        at = datetime.now(UTC) - timedelta(days=days * (len(commits) - number - 0.8))
        message = _git(repository, "log", "-1", "--format=%B", commit)
        dates = {"GIT_COMMITTER_DATE": at.isoformat(), "GIT_AUTHOR_DATE": at.isoformat()}
        tree = ("commit-tree", f"{commit}^{{tree}}", *parent)
        parent = ["-p", _git(repository, *tree, text=message, **dates).strip()]
    _git(repository, "update-ref", "refs/heads/main", parent[1])


def _git(repository: Path, *arguments: str, text: str | None = None, **variables: str) -> str:
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t",
           "GIT_COMMITTER_EMAIL": "t@t"}  # fmt: skip
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | who | variables,
        check=True,
    )
    return done.stdout
