"""What a model was asked, collected before it is trained again: otherwise it learns nothing new."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from services.actions import flags, records
from services.actions.data_collect import DataCollect, made_by
from services.alerting import store as alerts
from services.data.collected import require_learned
from services.errors import MlopsError, NotFoundError
from services.lineage.models import Ref
from services.retraining.launching import actor
from services.retraining.models import Data, Evidence, Policy, Proposal

if TYPE_CHECKING:
    from services.actions.action import Context

_CHECK_S = 3_600.0
"""Deployments are checked each hour: an alert tells of what was asked up to so long before it."""
_DAYS_S = 7 * 86_400.0
"""Where people alone say that it is wrong: since when is not known."""


def check(context: "Context", project: str) -> None:
    """Let a project pass whose training learns from what is collected.

    Raises:
        InputError: It does not.
        PlatformError: Its folder is not there.
    """
    require_learned(context.data.project(project).folder())


def action(context: "Context", one: Proposal) -> DataCollect:
    """Return what collects the rows of a retraining.

    Raises:
        InputError: The project does not learn from what is collected.
        JournalError: The journal cannot be read.
    """
    check(context, one.project)
    return _action(context, one.project, one.model, one.policy, one.evidence)


def _action(
    context: "Context", project: str, model: str, policy: Policy, evidence: Sequence[Evidence]
) -> DataCollect:
    since = _since(context, evidence)
    return DataCollect(project, model, since, labelled=True, least=policy.collect_rows)


def _since(context: "Context", evidence: Sequence[Evidence]) -> float:
    """Return from when on: what was asked before it got worse is learned already."""
    begun = []
    for one in evidence:
        if one.alert is not None:
            try:
                begun.append(min(one.at, alerts.alert(context.journal, one.alert).since))
            except NotFoundError:
                begun.append(one.at)
    if begun:
        return min(begun) - _CHECK_S
    return min((one.at for one in evidence), default=time.time()) - _DAYS_S


def proposed(
    context: "Context",
    of: tuple[str, str],
    policy: Policy,
    evidence: Sequence[Evidence],
    data: Data,
) -> Data:
    """Return with which data it trains when rows are collected first.

    Args:
        context: Where everything is.
        of: Project and model.
        policy: How many rows are needed at least.
        evidence: The reasons: they say since when the model is not good enough.
        data: With which it would train without.

    Raises:
        JournalError: The journal cannot be read.
    """
    project, model = of
    found = _action(context, project, model, policy, evidence)
    rows = None
    try:
        check(context, project)
        rows = found.new(context)
        found.check(context, actor(project))
    except MlopsError as error:  # of what is proposed; to accept it says it again, with the hint
        said = f"Rows of what {model} was asked are to be collected first. {error.message}"
        return replace(data, said=f"{said} {data.said}", rows=rows, lacks=error.message)
    many = "1 labelled row" if rows == 1 else f"{rows:,} labelled rows"
    said = f"{many} of what {model} was asked, new since earlier collections, are collected first; "
    said += "the folder with them becomes a version"
    said += f". The version before was trained with {data.before}." if data.before else "."
    return replace(data, revision=None, newer=True, said=said, rows=rows)


def learned(context: "Context", one: Proposal, action_id: int) -> Data | None:
    """Return with which data it trains now that they are collected; None: it cannot be told.

    Raises:
        JournalError: The journal cannot be read.
    """
    record = records.record(context.journal, action_id)
    revision = made_by(record)
    if revision is None:
        return None
    found = record.memory.get("labelled")
    rows = found if isinstance(found, int) else None
    before = one.data.before
    many = "rows" if rows is None else "1 labelled row" if rows == 1 else f"{rows:,} labelled rows"
    said = f"Version {revision}, with {many} of what {one.model} was asked, collected for it"
    said += f"; the version before was trained with {before}." if before else "."
    bad = next(flags.told(context, Ref("data", revision), one.project), "")
    return Data(revision, before, newer=True, said=said, bad=bad, rows=rows)
