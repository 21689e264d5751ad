"""What is marked as bad, said before an action uses what came of it; policies refuse it."""

from collections.abc import Iterator

from services.actions.action import Context
from services.actions.roles import Actor
from services.errors import GateError, MlopsError
from services.home import Home
from services.lineage import flagged
from services.lineage.asking import Lineage
from services.lineage.flagged import Suspicion
from services.lineage.models import Ref, numbered

_ADVICE = "A person may do it all the same; `mlops lineage bad` lists what is marked."


def of(context: Context, ref: Ref) -> Suspicion:
    """Return why a thing is suspect, what is certain first, and what cannot be told.

    Raises:
        InputError: The id is none of its kind's.
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    here = Lineage(Home.locate(), context.mirror, context.journal, context.data)
    return flagged.of(here, ref)


def of_version(context: Context, project: str, model: str, version: int) -> Iterator[str]:
    """Yield what speaks against a version, a sentence each."""
    yield from told(context, numbered("version", project, model, version), project)


def told(context: Context, ref: Ref, project: str) -> Iterator[str]:
    """Yield what speaks against a thing; that it cannot be told is a sentence, too."""
    try:
        found = of(context, ref)
    except MlopsError as error:
        yield flagged.untold(error.message)
        return
    yield from found.said(project)


def against(context: Context, ref: Ref, project: str) -> str:
    """Return why no policy uses a thing by itself, also that it cannot be told; empty: it may.

    Raises:
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    found = of(context, ref)
    return next((one.said(project) for one in found.flags if one.holds), found.untold)


def refuse_policy(
    context: Context, actor: Actor, project: str, model: str, version: int, what: str
) -> None:
    """Let a person pass, and a policy where nothing is known against the version.

    Raises:
        GateError: It is marked as bad, or came from what is, perhaps because of files it holds; or
            nobody can tell.
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    if actor.kind != "policy":
        return
    why = against(context, numbered("version", project, model, version), project)
    if why:
        raise GateError(f"{what}: {why}", _ADVICE)
