"""Workflows that set each other off by what they make, and runs that did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboard.workflows import address, states
from dashboard.workflows.figures import said_of
from dashboard.workflows.flow import Node
from services.mirror.workflow_models import Workflow, WorkflowRun

_ASSET = "asset:"


@dataclass(frozen=True, slots=True)
class Chain:
    """One flow of workflows, an asset between them."""

    workflows: tuple[Workflow, ...]
    assets: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    """Between workflows' ids and ``asset:URI``."""


def chains(workflows: Iterable[Workflow]) -> tuple[Chain, ...]:
    """Return the flows there are; what sets off nothing and is set off by nothing is in none."""
    known = {one.dag_id: one for one in workflows}
    edges: list[tuple[str, str]] = []
    for uri in sorted({uri for one in known.values() for uri in one.starts_on}):
        makers = [name for name, one in known.items() if uri in one.makes]
        starters = [name for name, one in known.items() if uri in one.starts_on]
        if makers:
            edges += [(name, _ASSET + uri) for name in makers]
            edges += [(_ASSET + uri, name) for name in starters]
    found = []
    for keys in _together(edges):
        inside = tuple((one, other) for one, other in edges if one in keys)
        members = tuple(one for name, one in known.items() if name in keys)
        assets = tuple(sorted(key.removeprefix(_ASSET) for key in keys if _is_asset(key)))
        found.append(Chain(members, assets, inside))
    return tuple(found)


def _is_asset(key: str) -> bool:
    return key.startswith(_ASSET)


def _together(edges: Sequence[tuple[str, str]]) -> list[set[str]]:
    groups: list[set[str]] = []
    for edge in edges:
        touched = [group for group in groups if group.intersection(edge)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(edge).union(*touched))
    return groups


def of(dag_id: str, found: Iterable[Chain]) -> Chain | None:
    """Return the flow a workflow is in, None when it is in none."""
    return next((c for c in found if any(w.dag_id == dag_id for w in c.workflows)), None)


def nodes(
    chain: Chain, last: Mapping[str, WorkflowRun | None], marked: str = ""
) -> tuple[Node, ...]:
    """Return the boxes of a flow, each workflow with its last run."""
    boxes = [
        Node(
            one.dag_id,
            one.name,
            _below(last.get(one.dag_id)),
            _state(last.get(one.dag_id)),
            address.to_dag(one.dag_id),
            one.title,
            marked=one.dag_id == marked,
        )
        for one in chain.workflows
    ]
    boxes += [
        Node(_ASSET + uri, asset_name(uri), why=f"{uri}: made by what is left of it", round=True)
        for uri in chain.assets
    ]
    return tuple(boxes)


def _below(run: WorkflowRun | None) -> str:
    return "never ran" if run is None else said_of(run).partition(",")[0]


def _state(run: WorkflowRun | None) -> str:
    return "none" if run is None else run.state


def asset_name(uri: str) -> str:
    """Return what an asset is, as people say it: ``mlops://x/passed-gates`` is passed gates."""
    return uri.rstrip("/").rpartition("/")[2].replace("-", " ") or uri


def of_runs(
    run: WorkflowRun, known: Iterable[WorkflowRun]
) -> tuple[tuple[WorkflowRun, ...], tuple[tuple[str, str], ...]]:
    """Return the runs that set this one off, and those it set off, with who set off whom.

    Args:
        run: The run that is looked at.
        known: Runs of the workflows in its flow.
    """
    by_key = {key(one): one for one in known} | {key(run): run}
    found = {key(run)}
    while True:
        more = {key(one) for one in by_key.values() if one.caused_by in found}
        causes = {by_key[name].caused_by for name in found}
        more |= {cause for cause in causes if cause is not None and cause in by_key}
        if more <= found:
            break
        found |= more
    runs = sorted((by_key[name] for name in found), key=_begun)
    edges = tuple(
        ("/".join(one.caused_by), "/".join(key(one)))
        for one in runs
        if one.caused_by is not None and one.caused_by in found
    )
    return tuple(runs), edges


def key(run: WorkflowRun) -> tuple[str, str]:
    """Return what names a run."""
    return run.dag_id, run.run_id


def run_nodes(runs: Sequence[WorkflowRun], marked: WorkflowRun) -> tuple[Node, ...]:
    """Return the boxes of runs that set each other off."""
    return tuple(
        Node(
            "/".join(key(one)),
            one.dag_id.partition(".")[2] or one.dag_id,
            said_of(one).partition(",")[0],
            one.state,
            address.to_run(one.dag_id, one.run_id),
            f"{one.run_id}: {states.word(one.state)}",
            marked=key(one) == key(marked),
        )
        for one in runs
    )


def _begun(run: WorkflowRun) -> tuple[float, str]:
    at = run.queued_at or run.started_at
    return (at.timestamp() if at else float("inf"), run.run_id)
