"""What the actions on endpoints have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from services.actions import launch_outlook
from services.actions.action import Context
from services.actions.promote import CHAMPION, check_alias, version_of
from services.errors import (
    ConflictError,
    EngineError,
    InputError,
    NotFoundError,
    PlatformError,
)
from services.mirror.models import ModelVersion
from services.resources.models import gib
from services.serving import store
from services.serving.models import Endpoint, Target
from services.serving.status import ServingStatus
from services.serving.workbench import SWITCH_ON, SWITCHED_OFF, Outlook

MOST_REPLICAS = 64
OPERATOR_SHARE = 0.5
"""So much of the requests an operator may send to a new version."""

RolloutEnd = Literal["live", "rolled-back", "failed", "undeployed"]
ENDINGS: tuple[RolloutEnd, ...] = ("live", "rolled-back", "failed", "undeployed")


def name_of(project: str, model: str) -> str:
    """Return an endpoint's name."""
    return Endpoint(project, model).name


def subject(project: str, model: str) -> str:
    """Return under what rollouts of one endpoint wait for each other.

    What ends or steers a rollout is of another subject: it does not wait for its end.
    """
    return f"endpoint:{name_of(project, model)}"


def endpoint_of(context: Context, project: str, model: str) -> Endpoint | None:
    """Return what is wanted of an endpoint, None when it is not deployed."""
    try:
        return store.endpoint(context.journal, name_of(project, model))
    except NotFoundError:
        return None


def deployed(context: Context, project: str, model: str) -> Endpoint:
    """Return what is wanted of an endpoint.

    Raises:
        NotFoundError: It is not deployed.
    """
    return store.endpoint(context.journal, name_of(project, model))


def check_on(context: Context) -> None:
    """Refuse where nothing serves.

    Raises:
        PlatformError: The message tells why, the hint how to change it.
    """
    if not context.serving.enabled:
        raise PlatformError(SWITCHED_OFF, SWITCH_ON)
    why = engine_fault(context.serving.status())
    if why:
        raise PlatformError(why, "`mlops status` says how it is; `mlops logs serving` why.")


def engine_fault(seen: ServingStatus | None) -> str:
    """Return why the serving engine cannot be asked, empty when it can."""
    if seen is None:
        return "The serving engine has not started yet."
    if seen.stale():
        return "The serving engine has said nothing for a while."
    return f"Ray is not well: {seen.ray}" if seen.ray else ""


def check_idle(now: Endpoint | None) -> None:
    """Refuse while a rollout is under way.

    Raises:
        ConflictError: One is.
    """
    if now is None or now.rollout is None:
        return
    version, where = now.rollout.target.version, f"{now.project}/{now.model}"
    raise ConflictError(
        f"A rollout of version {version} of {now.name} is under way.",
        f"Wait for it, make it live (`mlops rollout {where} --promote`) or end it "
        f"(`mlops rollout {where} --abort`).",
    )


def chosen(context: Context, project: str, model: str, version: int | None, alias: str) -> int:
    """Return the version that is meant: its number, else who carries the alias now.

    Raises:
        NotFoundError: There is no such model, or nothing carries the alias.
        InputError: The alias is none.
    """
    if version is not None:
        return version
    wanted = alias or CHAMPION
    check_alias(wanted)
    holder = context.mirror.model(project, model).with_alias(wanted)
    if holder is None:
        raise NotFoundError(
            f"No version of {model} is {wanted}.",
            f"Name one ({project}/{model}:VERSION), or promote one: `mlops models promote {model} "
            "VERSION`.",
        )
    return holder.version


def servable(context: Context, project: str, model: str, version: int) -> ModelVersion:
    """Return a version that may be served.

    Raises:
        NotFoundError: There is no such model or version.
        ConflictError: It is archived, unfinished, or kept in a form that is never loaded; or its
            project is not connected.
    """
    found = version_of(context, project, model, version)
    if found.archived:
        raise ConflictError(
            f"Version {version} of {model} is archived.",
            "Restore it on the page Models, or name another version.",
        )
    if found.status.lower() not in {"", "ready"}:
        raise ConflictError(f"Version {version} of {model} is {found.status} in the registry.")
    if found.format == "pickle":
        raise ConflictError(
            f"Version {version} of {model} is a pickle, which runs code when it is loaded; it is "
            "never served.",
            "Register it as safetensors, ONNX, skops or a booster's JSON.",
        )
    launch_outlook.contract_of(context, project)
    return found


def outlook(context: Context, project: str, model: str, target: Target) -> Outlook | None:
    """Return whether a version fits beside all else; None: it takes MLflow too long to tell.

    Raises:
        InputError: The backend asked for cannot be.
        EngineError: It was not packaged yet, and MLflow cannot be asked.
        BundleError: It will be refused when it is packaged; the message says why.
        PlatformError: The ledger cannot be read.
    """
    folder = Path(context.mirror.project(project).path)
    return context.serving.outlook(project, model, target, pinned(context), folder)


def outlook_if_known(context: Context, project: str, model: str, target: Target) -> Outlook | None:
    """Return the outlook; None while MLflow cannot tell: then it is planned when it is packaged.

    Raises:
        InputError: The backend asked for cannot be.
        BundleError: It will be refused when it is packaged; the message says why.
        PlatformError: The ledger cannot be read.
    """
    try:
        return outlook(context, project, model, target)
    except EngineError:
        return None


def pinned(context: Context) -> frozenset[str]:
    """Return the endpoints that are never evicted."""
    return frozenset(one.name for one in store.endpoints(context.journal) if one.pinned)


def check_fits(found: Outlook | None) -> None:
    """Refuse what is known not to fit.

    Raises:
        ConflictError: The message says by how much, the hint what would make room.
    """
    if found is not None and not found.fits:
        raise ConflictError(found.said, " ".join(found.room))


def check_replicas(least: int, most: int) -> None:
    """Refuse numbers of replicas that are none.

    Raises:
        InputError: They are not.
    """
    if not (0 <= least <= most <= MOST_REPLICAS and most >= 1):
        raise InputError(
            f"{least} to {most} replicas cannot be.",
            f"The least is 0 or more, the most 1 to {MOST_REPLICAS} and not below it; with 0 it "
            "sleeps while nobody asks.",
        )


def replicas(target: Target) -> str:
    """Return how many replicas a target has, as a phrase."""
    if target.min_replicas == target.max_replicas:
        return "1 replica" if target.max_replicas == 1 else f"{target.max_replicas} replicas"
    return f"{target.min_replicas} to {target.max_replicas} replicas"


def percent(share: float) -> str:
    """Return a share for a sentence."""
    return f"{share * 100:.4g} %"


def listed(versions: Sequence[int]) -> str:
    """Return versions for a sentence."""
    return ", ".join(str(one) for one in versions) or "none"


def memory(count: int) -> str:
    """Return bytes for a sentence, ``unknown`` when nothing was planned."""
    return gib(count) if count else "memory nobody planned yet"
