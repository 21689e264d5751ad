"""Marking a thing as bad from the page; the only module of the page that knows the actions."""

import shlex
from functools import partial

import streamlit as st

from dashboard.components import actions
from dashboard.components.actions import Proposal
from services.actions.lineage_mark import MarkBad, UnmarkBad
from services.lineage.marked import MARKABLE
from services.lineage.models import Node

_REASON_LIMIT = 2_000


def button(node: Node, off: str | None) -> None:
    """Draw the button that marks a thing, or takes its mark back; none for what cannot be bad."""
    if node.ref.kind not in MARKABLE or node.state == "gone":
        return
    name = shlex.quote(node.id)
    if node.mark is None:
        actions.button(
            "Mark as bad",
            Proposal(
                "Mark as bad", partial(_mark, node), "Mark it",
                f"mlops lineage mark {name} --reason WHY",
            ),
            key="lineage-mark",
            icon="flag",
            off=actions.why_not(MarkBad, project=node.project, off=off),
        )  # fmt: skip
        return
    project = node.mark.project
    actions.button(
        "Take the mark back",
        Proposal(
            "Take the mark back", partial(_unmark, node, project), "Take it back",
            f"mlops lineage unmark {name} --reason WHY",
        ),
        key="lineage-unmark",
        icon="undo",
        off=actions.why_not(UnmarkBad, project=project, off=off),
    )  # fmt: skip


def _mark(node: Node) -> MarkBad | None:
    reason = _reason("Why is it bad? Others decide by it.")
    return MarkBad(node.project, node.id, reason) if reason else None


def _unmark(node: Node, project: str | None) -> UnmarkBad | None:
    reason = _reason("Why is it good after all?")
    return UnmarkBad(project, node.id, reason) if reason else None


def _reason(label: str) -> str:
    return st.text_input(label, key="lineage-reason", max_chars=_REASON_LIMIT).strip()
