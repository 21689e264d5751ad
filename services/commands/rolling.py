"""Staying with an action on an endpoint until it ended, and telling each step as it goes."""

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from services.commands.output import say

if TYPE_CHECKING:
    from services.actions.action import Action, Context
    from services.actions.records import ActionRecord

_INTERRUPTED = 130
_LOOK_S = 0.3

wait_option = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Show each step until it ended."
)


def roll(action: "Action", *, wait: bool, yes: bool = True, see: str = "mlops deployments") -> None:
    """Ask for an action, say what follows from it, and stay with it; ``see`` shows it later.

    Raises:
        MlopsError: It was refused, failed, or went back; the message says why.
    """
    from services.actions.executor import Executor
    from services.commands.acting import actor, context, controller_lives

    here, who = context(), actor()
    executor = Executor(here)
    action.check(here, who)
    for sentence in action.consequences(here):
        say(sentence)
    if not yes:
        click.confirm(f"{action.title}?", abort=True)
    record = executor.submit(who, action, secrets.token_hex(12))
    if not wait:
        say(f"{record.title}: asked for as action {record.id}.")
        if not controller_lives():
            say("No controller runs, so it begins with `mlops up`.", err=True)
        return
    try:
        ended = _to_end(here, record, _timed())
    except KeyboardInterrupt:
        say(f"{record.title} goes on without you: `{see}` tells of it.", err=True)
        raise SystemExit(_INTERRUPTED) from None
    _tell(action, ended)


def followed(context: "Context", action: "Action", tell: Callable[[str], None]) -> "ActionRecord":
    """Ask for an action, tell each step as it goes, and return it as it ended.

    Raises:
        MlopsError: It was refused.
    """
    from services.actions.executor import Executor
    from services.commands.acting import actor

    record = Executor(context).submit(actor(), action, secrets.token_hex(12))
    return _to_end(context, record, tell)


def _timed() -> Callable[[str], None]:
    began = time.monotonic()

    def tell(said: str) -> None:
        say(f"{time.monotonic() - began:5.1f} s  {said}")

    return tell


def _to_end(
    context: "Context", record: "ActionRecord", tell: Callable[[str], None]
) -> "ActionRecord":
    from services.actions.executor import Executor
    from services.commands.acting import controller_lives

    executor = Executor(context)
    told: dict[str, str] = {}
    while True:
        if not controller_lives():
            executor.execute_pending(only=record.id)
        record = executor.record(record.id)
        for step in record.steps:
            said = f"{step.name}: {step.detail}" if step.detail else f"{step.name} …"
            if told.get(step.name) != said:
                told[step.name] = said
                tell(said)
        if record.ended:
            return record
        time.sleep(_LOOK_S)


def _tell(action: "Action", record: "ActionRecord") -> None:
    from services.actions.action import Told
    from services.errors import MlopsError

    if record.state != "done":
        raise MlopsError(f"{record.title}: {record.error}", record.hint)
    say(f"{record.title}: {record.result if isinstance(action, Told) else 'done'}.")
