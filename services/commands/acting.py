"""Acting from the command line: as the owner of the machine, with or without the controller."""

import json
import os
import secrets
import time
from typing import TYPE_CHECKING, cast

from services.home import Home

if TYPE_CHECKING:
    from services.actions.action import Action, Context
    from services.actions.records import ActionRecord
    from services.actions.roles import Actor
    from services.engines.mlflow.adapter import MLflow
    from services.engines.registry import Engines

_BEAT_S = 10.0


def actor() -> "Actor":
    """Return who types the command.

    Raises:
        DeniedError: The home folder belongs to another user.
    """
    from services.actions.roles import machine_owner

    home = Home.locate()
    home.create()
    return machine_owner(home.root)


class _LateMLflow:
    """MLflow, met when an action first asks it something: managing people needs none."""

    def __init__(self, engines: "Engines") -> None:
        self._engines = engines

    def __getattr__(self, name: str) -> object:
        return getattr(self._engines.mlflow, name)


def context() -> "Context":
    """Return what actions are checked against and act on.

    Raises:
        PlatformError: The journal or the settings cannot be used.
    """
    from services.actions.action import Context
    from services.actions.journal import Journal
    from services.engines.registry import build_engines
    from services.mirror.queries import Mirror
    from services.platform.configuration import load_settings

    settings = load_settings()
    journal, mirror = Journal.open(settings), Mirror.open(settings)
    engines = build_engines(Home.locate(), settings.mlflow_url, settings.mlflow_port)
    mlflow = cast("MLflow", _LateMLflow(engines))
    return Context(journal, mirror, mlflow, mlflow)


def perform(action: "Action", *, key: str = "", timeout_s: float = 60.0) -> "ActionRecord":
    """Submit an action and return it as it ended, or as it is when the time is up.

    The controller executes it; when none lives, this process does.

    Raises:
        MlopsError: It was refused, failed, or was taken back.
    """
    from services.actions.executor import Executor
    from services.errors import MlopsError

    who = actor()
    executor = Executor(context())
    record = executor.submit(who, action, key or secrets.token_hex(12))
    end = time.monotonic() + timeout_s
    while not record.ended and time.monotonic() < end:
        if controller_lives():
            record = executor.wait(record.id, 1.0)
        else:
            executor.execute_pending(only=record.id)
            record = executor.wait(record.id, 0.2)
    if record.state in {"failed", "denied", "compensated"}:
        raise MlopsError(f"{record.title}: {record.error}", record.hint)
    return record


def act(action: "Action", *, yes: bool = True) -> None:
    """Perform an action and say how it went; without ``yes`` its consequences are told first.

    Raises:
        MlopsError: It was refused, failed, or was taken back.
    """
    import click

    if not yes:
        for sentence in action.consequences(context()):
            click.echo(sentence)
        click.confirm(f"{action.title}?", abort=True)
    record = perform(action)
    click.echo(f"{record.title}: {record.state}.")


def controller_lives() -> bool:
    """Return whether a controller runs and looks at the journal."""
    try:
        said = json.loads((Home.locate().run / "controller.json").read_bytes())
        pid, at = int(said["pid"]), float(said["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if time.time() - at > _BEAT_S:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, so it is there
        return True
    return True
