"""``mlops deploy``, ``rollback``, ``rollout``, ``scale``, ``undeploy``: what endpoints serve."""

from typing import TYPE_CHECKING

import click

from services.commands.endpoint_names import SPEC, endpoint, parse
from services.commands.output import sentences
from services.commands.rolling import roll, wait_option

if TYPE_CHECKING:
    from services.actions.rollout_step import Change
    from services.serving.models import Strategy

_BACKENDS = click.Choice(["auto", "mlx", "mps", "cuda", "cpu"])
_named = click.argument("name", metavar="PROJECT/MODEL")


@click.command()
@click.argument("name", metavar=SPEC)
@click.option("--canary", type=float, metavar="PERCENT", help="Send it a share of the requests.")
@click.option("--header", is_flag=True, help="Send it only requests that name the version.")
@click.option("--shadow", is_flag=True, help="Ask it a copy of each request; compare alone.")
@click.option("--replicas", metavar="N|MIN:MAX", help="With 0 as the least it may sleep.")
@click.option("--memory-gb", type=float, help="What a replica reserves; default: what is planned.")
@click.option("--backend", type=_BACKENDS, default=None, help="Default: as now, else by the rule.")
@click.option("--max-batch", type=int, help="Rows that are asked together at most.")
@click.option("--watch", "watch_s", type=float, default=30.0, show_default=True, metavar="S",
              help="How long guards watch it after the switch.")  # fmt: skip
@click.option("--privacy", type=click.Choice(["full", "hash", "off"]), default=None,
              help="What is kept of predictions; default: as of the project's others.")  # fmt: skip
@click.option("--max-drift", type=float, metavar="PERCENT",
              help="Take it back when more columns of its answers drift.")  # fmt: skip
@click.option("--no-guards", is_flag=True, help="Only whether it loads and answers counts.")
@wait_option
@sentences
def deploy(
    *,
    name: str,
    canary: float | None,
    header: bool,
    shadow: bool,
    replicas: str | None,
    memory_gb: float | None,
    backend: str | None,
    max_batch: int | None,
    watch_s: float,
    privacy: str | None,
    max_drift: float | None,
    no_guards: bool,
    wait: bool,
) -> None:
    """Put a version into service, without dropping a request; without one: the champion.

    Exit 0 when it is live (or its canary or shadow is), 1 when it went back by itself.
    """
    from dataclasses import replace

    from services.actions.deploy import Deploy
    from services.errors import InputError

    found = parse(name)
    least, most = counts(replicas)
    action = Deploy(
        found.project,
        found.model,
        found.version,
        found.alias,
        strategy=_strategy(canary, header=header, shadow=shadow),
        percent=canary,
        header=header,
        min_replicas=least,
        max_replicas=most,
        memory_gb=memory_gb,
        backend=backend or "",  # type: ignore[arg-type]  # click let one of them pass
        max_batch=max_batch,
        privacy=privacy or "",  # type: ignore[arg-type]  # click let one of them pass
        watch_s=watch_s,
        max_drift=None if max_drift is None else max_drift / 100,
    )
    if no_guards and max_drift is not None:
        raise InputError("--no-guards goes without --max-drift.")
    if no_guards:
        action = replace(
            action, max_error_share=None, max_latency_ratio=None, max_memory_ratio=None,
            max_thermal_level=None,
        )  # fmt: skip
    roll(action, wait=wait)


def _strategy(canary: float | None, *, header: bool, shadow: bool) -> "Strategy":
    from services.errors import InputError

    if shadow and (canary is not None or header):
        raise InputError("--shadow goes with neither --canary nor --header.")
    if shadow:
        return "shadow"
    return "canary" if canary is not None or header else "blue-green"


def counts(text: str | None) -> tuple[int | None, int | None]:
    """Return ``N`` or ``MIN:MAX`` as two numbers.

    Raises:
        InputError: It is neither.
    """
    from services.errors import InputError

    if text is None:
        return None, None
    least, colon, most = text.partition(":")
    ends = (least, most) if colon else (text, text)
    if not all(one.isascii() and one.isdecimal() for one in ends):
        raise InputError(f"--replicas is {text[:20]!r}; it takes N or MIN:MAX.", "For example 0:4.")
    return int(ends[0]), int(ends[1])


@click.command()
@_named
@click.option("--to", "version", type=click.IntRange(1), help="Default: the one live before.")
@click.option("--reason", default="", help="Why, for the history.")
@wait_option
@sentences
def rollback(*, name: str, version: int | None, reason: str, wait: bool) -> None:
    """Have an earlier version of an endpoint answer again.

    An alias is rolled back with `mlops models rollback`.
    """
    from services.actions.deploy_rollback import RollbackDeployment

    found = endpoint(name)
    roll(RollbackDeployment(found.project, found.model, version, reason), wait=wait)


@click.command()
@_named
@click.option("--promote", is_flag=True, help="Have it answer all requests.")
@click.option("--abort", is_flag=True, help="End it; what is live stays.")
@click.option("--share", type=float, metavar="PERCENT", help="Change the share of a canary.")
@click.option("--reason", default="", help="Why, for the history.")
@wait_option
@sentences
def rollout(
    *, name: str, promote: bool, abort: bool, share: float | None, reason: str, wait: bool
) -> None:
    """Steer a rollout that is under way."""
    from services.actions.rollout_step import SteerRollout
    from services.errors import InputError

    if (promote, abort, share is not None).count(True) != 1:
        raise InputError("Name one of --promote, --abort and --share.")
    found = endpoint(name)
    change: Change = "promote" if promote else ("abort" if abort else "share")
    roll(SteerRollout(found.project, found.model, change, share, None, reason), wait=wait)


@click.command()
@_named
@click.option("--replicas", metavar="N|MIN:MAX", help="With 0 as the least it may sleep.")
@click.option("--pin/--unpin", "pin", default=None, help="Never end it to make room for others.")
@click.option("--idle-after", "idle_s", type=float, metavar="S", help="When it sleeps.")
@click.option("--deadline", "deadline_s", type=float, metavar="S", help="Time for an answer.")
@wait_option
@sentences
def scale(
    *,
    name: str,
    replicas: str | None,
    pin: bool | None,
    idle_s: float | None,
    deadline_s: float | None,
    wait: bool,
) -> None:
    """Change how many replicas an endpoint has, and whether it may make room for others."""
    from services.actions.scale import Scale

    found = endpoint(name)
    least, most = counts(replicas)
    roll(Scale(found.project, found.model, least, most, pin, idle_s, deadline_s), wait=wait)


@click.command()
@_named
@click.option("--reason", default="", help="Why, for the history.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_option
@sentences
def undeploy(*, name: str, reason: str, yes: bool, wait: bool) -> None:
    """Take an endpoint out of service."""
    from services.actions.undeploy import Undeploy

    found = endpoint(name)
    roll(Undeploy(found.project, found.model, reason), wait=wait, yes=yes)


@click.command()
@click.argument("project")
@click.argument("kept", type=click.Choice(["full", "hash", "sample", "off"]))
@click.option("--share", type=float, help="With sample: of the predictions, 0 to 1.")
@sentences
def privacy(*, project: str, kept: str, share: float | None) -> None:
    """Say what the prediction log keeps of a project's inputs and outputs."""
    from services.actions.serving_privacy import SetPrivacy

    action = SetPrivacy(project, kept, 1.0 if share is None else share)  # type: ignore[arg-type]  # click let one of them pass
    roll(action, wait=True)
