"""What a workflow is made from: its parameters, its tasks, and the keys of the contract."""

from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from dashboard import state
from dashboard.components import ages, tables
from dashboard.components.notices import advice
from dashboard.numbers import age, counted, duration, size
from dashboard.text import plain
from dashboard.workflows.access import Named
from services.errors import MlopsError
from services.mirror.workflow_models import Workflow, WorkflowParam
from services.projects.contract import Contract, look
from services.workflows.form import OF_CONTRACT
from services.workflows.schema import types_of

_GB = 1_000_000_000


def draw(of: Named) -> None:
    """Draw all of it."""
    if of.workflow is None:
        st.caption("What it was made from is gone with it.")
        return
    workflow = of.workflow
    st.subheader("Parameters", anchor=False)
    if workflow.params:
        _params(workflow)
    else:
        st.caption("A launch asks for nothing.")
    st.subheader("Tasks", anchor=False)
    _tasks(workflow)
    if workflow.name in OF_CONTRACT and of.scope is not None:
        st.subheader("Contract", anchor=False)
        _contract(of.scope, workflow.name)
    st.caption(
        f"Made by {plain(workflow.file, 200)}, read by Airflow {age(workflow.parsed_at)}.",
        help=ages.exact(workflow.parsed_at),
    )


def _params(workflow: Workflow) -> None:
    text = st.column_config.TextColumn
    columns = {
        "name": text("Name", width=150),
        "title": text("What it is", width=220),
        "type": text("Type", width=110),
        "default": text("Default", width=110),
        "bounds": text("Allowed", width=220),
    }
    rows = [
        {
            "name": one.name,
            "title": str(one.schema.get("title") or one.schema.get("description") or ""),
            "type": _type(one),
            "default": _default(one.default),
            "bounds": allowed(one),
        }
        for one in workflow.params
    ]
    tables.table(rows, columns, key="workflow-params")


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not given" if value is None else str(value)


_TYPES = {
    "integer": "whole number", "number": "number", "string": "text", "boolean": "yes or no",
    "array": "list", "object": "JSON", "null": "",
}  # fmt: skip


def _type(one: WorkflowParam) -> str:
    if "enum" in one.schema:
        return "choice"
    return " or ".join(word for kind in types_of(one.schema) if (word := _TYPES.get(kind, kind)))


def allowed(one: WorkflowParam) -> str:
    """Return what values are allowed, in words; empty: any of the type."""
    if "enum" in one.schema:
        return ", ".join(str(value) for value in one.schema["enum"] if value is not None)
    low, high = one.schema.get("minimum"), one.schema.get("maximum")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None or high is not None:
        return f"at least {low:g}" if low is not None else f"at most {high:g}"
    return ""


def _tasks(workflow: Workflow) -> None:
    text = st.column_config.TextColumn
    columns = {
        "task": text("Task", width=170),
        "does": text("Does", width=230),
        "after": text("Then", width=200),
        "pool": text("Pool", width=160),
        "retries": text("Retries", width=80, alignment="right"),
    }
    does = {
        "HeavyTask": "a command of the project that waits for its turn",
        "ProjectTask": "a command of the project",
        "PlatformTask": "a step of the platform",
    }
    rows = [
        {
            "task": f"{one.task_id}{' (several)' if one.mapped else ''}",
            "does": does.get(one.operator, one.operator),
            "after": ", ".join(one.downstream) or "nothing",
            "pool": one.pool,
            "retries": f"{one.retries}",
        }
        for one in workflow.tasks
    ]
    tables.table(rows, columns, key="workflow-tasks")


def _contract(project: str, kind: str) -> None:
    try:
        path = state.mirror().project(project).path
    except MlopsError as error:
        st.caption(advice(f"The contract cannot be told: {error}"))
        return
    found = look(Path(path)).contract if path else None
    if found is None:
        st.caption("The project's contract cannot be read now; its page says why.")
        return
    rows = [{"key": key, "value": value} for key, value in keys(found, kind)]
    columns = {
        "key": st.column_config.TextColumn("Key of [tool.mlops]", width=190),
        "value": st.column_config.TextColumn("Value", width=560),
    }
    tables.table(rows, columns, key="workflow-contract", max_rows_shown=20)
    st.caption(f"In {plain(str(Path(path) / 'pyproject.toml'), 300)}. A change is live in seconds.")


def keys(contract: Contract, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the keys a workflow is made from, with their values as people read them."""
    needs, metric = contract.needs, contract.primary_metric
    yield "train", contract.train
    yield "evaluate", contract.evaluate or "the check that the training logged its metric"
    if contract.federated is not None and kind == "federated":
        told = contract.federated
        yield "federated", f"{told.server}; {counted(told.clients, 'client')}: {told.client}"
    if kind == "retrain":
        yield "schedule", contract.schedule or "by hand"
    yield "params", ", ".join(contract.params) or "none"
    yield "data", ", ".join(contract.data) or "none"
    yield "models", ", ".join(contract.models) or "none"
    yield "gates", ", ".join(f"{n} {bound}" for n, bound in contract.gates.items()) or "none"
    yield "primary_metric", f"{metric.name}, {metric.goal}" if metric else "none"
    memory = "by its last runs" if needs.memory_gb is None else size(needs.memory_gb * _GB)
    yield "needs", f"memory {memory}, {counted(needs.gpu_slots, 'heavy slot')}"
    yield "memory_limit_gb", size(contract.memory_limit_gb * _GB)
    yield "timeout", duration(contract.timeout_s)
    yield "retries", f"{contract.retries}"
    yield "priority, weight", f"{contract.priority}, {contract.weight:g}"
