"""Register a project's folder, and take it off the list again."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlalchemy import delete, select

from services.actions import schema
from services.actions.action import Context, Deed, Step
from services.actions.journal import now_ms
from services.actions.roles import Actor, Role
from services.errors import InputError, NotFoundError

_ID = re.compile(r"[a-z][a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class RegisterProject:
    """Have the controller watch a folder outside the watched root."""

    kind: ClassVar[str] = "register-project"
    role: ClassVar[Role] = "admin"

    path: str
    project_id: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Register the project in {self.path[:200]}"

    @property
    def subject(self) -> str:
        """The list of projects."""
        return "projects"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a folder that is not there, and an id that another folder holds."""
        del actor
        if not _ID.fullmatch(self.project_id):
            raise InputError(
                f"{self.project_id[:60]!r} is no project id.",
                "A small letter, then 1 to 40 small letters, digits and hyphens.",
            )
        folder = Path(self.path)
        if not _is_project_folder(folder):
            raise InputError(
                f"{self.path[:200]} has no pyproject.toml.",
                "Give the absolute path of the project's folder, without `..`.",
            )
        for other in context.mirror.projects():
            if other.id == self.project_id and other.path and Path(other.path) != folder:
                raise InputError(
                    f"The id {self.project_id} belongs to the project in {other.path}.",
                    "Give the new one another id in its [tool.mlops] table.",
                )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return (
            f"{self.project_id} gets a workspace and an experiment in the shared MLflow.",
            "A file .mlops.env with the addresses and a token is written into its folder.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        table = schema.projects
        mine = table.c.path == self.path
        known = deed.memory.setdefault("known", Path(self.path) in context.journal.project_paths())

        def do() -> str:
            with context.journal.write() as connection:
                if connection.execute(select(table).where(mine)).first() is None:
                    row = {"path": self.path, "id": self.project_id, "added_ms": now_ms()}
                    connection.execute(table.insert().values(**row, by=deed.actor.name))
            return "the controller connects it within seconds"

        def undo() -> None:
            if known:
                return
            with context.journal.write() as connection:
                connection.execute(delete(table).where(mine))

        return (Step("Put it on the list", do, undo),)


@dataclass(frozen=True, slots=True)
class ForgetProject:
    """Take a folder off the list; its runs and models stay in MLflow."""

    kind: ClassVar[str] = "forget-project"
    role: ClassVar[Role] = "admin"

    path: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Take the project in {self.path[:200]} off the list"

    @property
    def subject(self) -> str:
        """The list of projects."""
        return "projects"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a folder that is not on the list."""
        del actor
        if Path(self.path) not in context.journal.project_paths():
            raise NotFoundError(
                f"{self.path[:200]} is not registered.",
                "Folders under the watched root are found by themselves: move the folder away.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return ("The project is not watched any more; its runs and models stay in MLflow.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            with context.journal.write() as connection:
                table = schema.projects
                connection.execute(delete(table).where(table.c.path == self.path))
            return "taken off the list"

        return (Step("Take it off the list", do),)


def _is_project_folder(folder: Path) -> bool:
    if not folder.is_absolute() or ".." in folder.parts:
        return False
    try:
        return (folder / "pyproject.toml").is_file()
    except OSError:  # the name is longer than any file's
        return False
