"""How commands act: the same journalled actions as the dashboard, as the owner of the machine."""

import getpass
import os
import uuid
from typing import TYPE_CHECKING

import click

from services.errors import DeniedError, MlopsError
from services.home import Home

if TYPE_CHECKING:
    from services.actions.action import Action, Context
    from services.actions.executor import ActionRecord
    from services.actions.roles import Actor

_WAIT_S = 60.0


def actor() -> "Actor":
    """Return who runs the command: the owner of the home folder is admin there.

    Raises:
        DeniedError: Somebody else owns it.
    """
    from services.actions.roles import Actor

    home = Home.locate()
    if home.root.exists() and home.root.stat().st_uid != os.getuid():
        raise DeniedError(
            f"{home.root} belongs to another user.", "Run the command as its owner, or sign in."
        )
    return Actor(f"{getpass.getuser()} (command line)", "admin", None, "os")


def context() -> "Context":
    """Open what actions touch."""
    from services.actions.action import Context
    from services.actions.journal import Journal
    from services.engines.registry import build_engines
    from services.mirror.queries import Mirror
    from services.platform.configuration import load_settings

    settings = load_settings()
    home = Home.locate()
    home.create()
    mlflow = build_engines(home, settings.mlflow_url, settings.mlflow_port).lazy_mlflow()
    return Context(Journal.open(settings), Mirror.open(settings), mlflow, mlflow)


def act(action: "Action", *, yes: bool = True) -> "ActionRecord":
    """Submit an action, have it executed, and say how it went.

    The controller executes it; without one (the platform is down) this process does.

    Raises:
        MlopsError: It was refused, or it failed.
    """
    from services.actions.executor import Executor

    where = context()
    executor = Executor(where)
    if not yes:
        for sentence in action.consequences(where):
            click.echo(sentence)
        click.confirm(f"{action.title}?", abort=True)
    record = executor.submit(actor(), action, uuid.uuid4().hex)
    if not _controller_lives():
        executor.execute_pending()
    record = executor.wait(record.id, _WAIT_S)
    if record.state != "done":
        said = record.error or f"It is {record.state} after {_WAIT_S:.0f} s."
        raise MlopsError(f"{record.title}: {said}", record.hint)
    click.echo(f"{record.title}: done.")
    return record


def _controller_lives() -> bool:
    from services.platform.status import status

    engines = status(Home.locate()).engines
    return any(engine.name == "controller" and engine.state == "live" for engine in engines)
