"""What is done with a version: promote, roll back, tag, archive. The only way here to actions."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from dashboard import navigation
from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.deployments import access, deploy, standing
from dashboard.registry import marks
from dashboard.registry.search import model_aliases
from dashboard.registry.standing import Rules, judge
from services.actions.archive_version import ArchiveVersion
from services.actions.promote import Promote, Rollback
from services.actions.tag import TagVersion
from services.mirror.models import ModelVersion, RegisteredModel
from services.mirror.projects import CHAMPION

_REASON_LIMIT = 2_000


def promote_button(
    model: RegisteredModel, version: ModelVersion, rules: Rules, off: str | None
) -> None:
    """Draw the button that promotes a version; off, with the reason, for who may not."""
    why = actions.why_not(Promote, project=model.project, off=off)
    if version.archived:
        why = why or "The version is archived: restore it first."
    command = f"mlops models promote {shlex.quote(model.name)} {version.version} --to {CHAMPION}"
    actions.button(
        "Promote",
        Proposal(
            f"Promote {model.name} version {version.version}",
            _promotion(model, version, rules),
            "Promote",
            command,
        ),
        key="promote",
        icon="rocket_launch",
        off=why,
        kind="primary",
    )


def _promotion(
    model: RegisteredModel, version: ModelVersion, rules: Rules
) -> Callable[[], Promote | None]:
    verdict = judge(rules.gates, version.metrics)

    def fields() -> Promote | None:
        known = dict.fromkeys((CHAMPION, *model_aliases(model)))
        alias = st.selectbox(
            "Alias", list(known), key="promote-alias", accept_new_options=True, help=_ALIASES
        )
        alias = (alias or "").strip()
        marks.gates(verdict)
        holder = model.with_alias(alias) if alias else None
        marks.against(version, holder, alias, rules)
        reason = _reason(
            "Why this version is promoted although a gate fails"
            if verdict.failing
            else "Reason, for the history (optional)",
            "promote-reason",
        )
        if not alias or verdict.problem or (verdict.failing and not reason):
            return None
        promote = Promote(model.project, model.name, version.version, alias)
        if verdict.failing:
            return replace(promote, override=reason)
        return replace(promote, reason=reason)

    return fields


_ALIASES = "champion is what production loads. Any other name, such as staging, may be typed."


def rollback_button(model: RegisteredModel, earlier: Sequence[int], off: str | None) -> None:
    """Draw the button that puts the champion back to a version that held it before."""
    why = actions.why_not(Rollback, project=model.project, off=off)
    if not earlier:
        why = why or "No earlier champion is known to go back to: promote another version."
    actions.button(
        "Roll back",
        Proposal(
            f"Roll {model.name} back",
            _rollback(model, earlier),
            "Roll back",
            f"mlops models rollback {shlex.quote(model.name)}",
        ),
        key="rollback",
        icon="undo",
        off=why,
    )


def _rollback(model: RegisteredModel, earlier: Sequence[int]) -> Callable[[], Rollback | None]:
    def fields() -> Rollback | None:
        target = st.selectbox(
            "Back to",
            list(earlier),
            key="rollback-target",
            format_func=lambda number: f"Version {number}",
            help="Versions that were champion before, the nearest first.",
        )
        reason = _reason("Why it is rolled back (optional)", "rollback-reason")
        if target is None:
            return None
        return Rollback(model.project, model.name, CHAMPION, target, reason)

    return fields


def version_buttons(model: RegisteredModel, version: ModelVersion, off: str | None) -> None:
    """Draw the buttons that tag and archive a version."""
    tag_off = actions.why_not(TagVersion, project=model.project, off=off)
    actions.button(
        "Tag",
        Proposal(f"Tag version {version.version}", _tag(model, version), "Write the tag"),
        key="version-tag",
        icon="sell",
        off=tag_off,
    )
    word = "Restore" if version.archived else "Archive"
    action = ArchiveVersion(model.project, model.name, version.version, version.archived)
    archive_off = actions.why_not(ArchiveVersion, project=model.project, off=off)
    if version.aliases and not version.archived:
        archive_off = archive_off or f"It is {', '.join(version.aliases)}: promote another first."
    actions.button(
        word,
        Proposal(f"{word} version {version.version}", lambda: action, word),
        key="version-archive",
        icon="unarchive" if version.archived else "archive",
        off=archive_off,
    )


def deploy_button(model: RegisteredModel, version: ModelVersion, off: str | None) -> None:
    """Draw the button that puts a version into service; off while nothing can be deployed."""
    if not navigation.has("deployments"):
        return
    told = "The version is archived: restore it first." if version.archived else None
    deploy.button(
        model.project,
        model.name,
        version=version.version,
        off=off or told or standing.why_off() or access.why_busy(model.project, model.name),
        key="version-deploy",
        primary=False,
    )


def _tag(model: RegisteredModel, version: ModelVersion) -> Callable[[], TagVersion | None]:
    def fields() -> TagVersion | None:
        known = sorted(marks.own_tags(version.tags))
        key = st.selectbox(
            "Tag",
            known,
            index=None,
            key="version-tag-key",
            accept_new_options=True,
            placeholder="Choose one or type a new name",
        )
        key = (key or "").strip()
        gone = st.toggle("Remove this tag", key="version-tag-gone", disabled=key not in known)
        value = st.text_input("Value", key="version-tag-value", max_chars=8_000, disabled=gone)
        if not key:
            return None
        kept = None if gone and key in known else value
        return TagVersion(model.project, model.name, version.version, key, kept)

    return fields


def _reason(label: str, key: str) -> str:
    # Live: the button that waits for a reason is there while it is typed.
    return st.text_input(label, key=key, max_chars=_REASON_LIMIT, live="300ms").strip()
