"""What is known before a launch: its form, whether it can run, and what speaks against it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.actions import data as data_actions
from services.actions import flags, workflows
from services.actions.action import Context
from services.actions.workflows import Known
from services.data.models import Status
from services.engines.silicon.machine import own_id
from services.errors import ConflictError, InputError, MlopsError, NotFoundError
from services.home import Home
from services.lineage.models import Ref
from services.projects.contract import Contract, require
from services.resources.capacity import capacities, with_here
from services.resources.ledger import Ledger
from services.resources.models import Admission, Capacity, Never
from services.resources.needs import needs_of_project
from services.workflows.form import OF_CONTRACT, Form
from services.workflows.routing import required, route

_COMPARE = "platform.compare"


def contract_of(context: Context, project: str | None) -> Contract | None:
    """Return the contract of a connected project as its folder says now; None of the platform.

    Raises:
        NotFoundError: There is no such project.
        ConflictError: It is not connected; the message tells why.
        InputError: Its contract is broken.
    """
    if project is None:
        return None
    found = context.mirror.project(project)
    if found.state != "connected" or not found.path:
        why = " ".join(found.reasons) or "It has no folder."
        raise ConflictError(
            f"The project {project} is not connected: {why}",
            f"`mlops projects check {project}` says what to mend.",
        )
    return require(Path(found.path))


def form_of(known: Known, contract: Contract | None) -> Form:
    """Return what a launch of the workflow asks for."""
    of_contract = known.dag_id.partition(".")[2] in OF_CONTRACT
    return Form(known.title, contract if of_contract else None, known.params)


def queueing(context: Context, known: Known) -> Iterator[str]:
    """Yield why the run will not begin at once, as far as its workflow is why."""
    if known.paused:
        yield f"{known.dag_id} is paused: the run waits until it is resumed."
    active = workflows.active_runs(context, known.dag_id)
    if active and known.dag_id.partition(".")[2] in OF_CONTRACT:
        others = "1 other run is" if len(active) == 1 else f"{len(active)} other runs are"
        yield (
            f"{others} under way ({workflows.listed([r.run_id for r in active])}): this one queues "
            "behind, for a project trains one at a time."
        )


# Data


def refuse_unknown_data(context: Context, project: str | None, given: Mapping[str, Any]) -> None:
    """Refuse a version of the data that the project has not.

    Raises:
        InputError: The message names the parameter.
    """
    revision = given.get("data_revision")
    if project is None or not revision:
        return
    try:
        found = data_actions.allowed(context, project, str(revision))
    except (NotFoundError, InputError) as error:
        raise InputError(
            f"data_revision is {str(revision)[:64]!r}: {error.message}",
            f"`mlops data versions {project}` lists them. Nothing was started.",
        ) from error
    if found.kind != "data":
        raise InputError(
            f"data_revision is {str(revision)[:64]!r}, which is a version of {found.kind}.",
            f"`mlops data versions {project} --kind data` lists those of the data.",
        )


def data(
    context: Context, dag_id: str, contract: Contract | None, given: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what is to be known of the project's data before it is used."""
    if contract is not None:
        yield from _bad_version(context, contract.id, given)
    if contract is None or not contract.data or dag_id.partition(".")[2] not in OF_CONTRACT:
        return
    revision = given.get("data_revision")
    if revision:
        yield f"The project's data is brought to version {revision} first."
        whole = data_actions.allowed(context, contract.id, str(revision)).revision
        yield from flags.told(context, Ref("data", whole), contract.id)
        return
    try:
        status = _status(context, contract.id)
    except MlopsError as error:
        yield f"Its data could not be looked at: {error.message}"
        return
    if status is None or (status.state in {"empty", "gone"} and status.revision is None):
        yield (
            f"{contract.title} has no data: neither a file nor a version. The training has to make "
            "its own, else it fails."
        )
    elif status.revision is not None and status.remote != "there" and _has_remote(context):
        why = "waits to be sent" if status.remote == "queued" else "was not sent"
        yield (
            f"The data remote lacks version {status.revision} of its data: it {why}. Only this "
            "machine has it."
        )
    if status is not None and status.revision is not None:
        yield from flags.told(context, Ref("data", status.revision), contract.id)


def _bad_version(context: Context, project: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield what speaks against the version that a release names."""
    model, version = given.get("model"), str(given.get("version"))
    if model and version.isdecimal():
        yield from flags.of_version(context, project, str(model), int(version))


def _status(context: Context, project: str) -> Status | None:
    if project not in context.data.projects():
        return None
    return next(one for one in context.data.status(project) if one.kind == "data")


def _has_remote(context: Context) -> bool:
    return context.data.standing().configured


# Room


def refuse_too_large(
    context: Context, dag_id: str, contract: Contract | None, given: Mapping[str, Any]
) -> None:
    """Refuse what no machine could ever run.

    Raises:
        ConflictError: The message says by how much it is too large.
    """
    for one, answer, _ in _answers(context, dag_id, contract, given):
        if isinstance(answer, Never) and answer.missing > 0:
            raise ConflictError(
                f"{one.title}: {answer.said}",
                "Have it need less ([tool.mlops] needs and memory_limit_gb), or add a larger "
                "machine.",
            )


def room(
    context: Context, dag_id: str, contract: Contract | None, given: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what is to be known of the machines: which fit, or that none can be promised."""
    for one, answer, hosts in _answers(context, dag_id, contract, given):
        to = route(required(one), hosts, here())
        if not to.hosts:
            yield f"{one.title} waits until a machine of its kind joins. {to.said}"
        elif isinstance(answer, Never):
            yield f"{one.title}: {answer.said}"


def _answers(
    context: Context, dag_id: str, contract: Contract | None, given: Mapping[str, Any]
) -> Iterator[tuple[Contract, Admission, tuple[Capacity, ...]]]:
    """Yield for each training whether an empty machine has room for it."""
    contracts = list(_trained(context, dag_id, contract, given))
    if not contracts:
        return
    hosts = machines(context)
    for one in contracts:
        yield one, Ledger(hosts).admit(needs_of_project(context.mirror, one.id, one)), hosts


def _trained(
    context: Context, dag_id: str, contract: Contract | None, given: Mapping[str, Any]
) -> Iterator[Contract]:
    if contract is not None and dag_id.partition(".")[2] in OF_CONTRACT:
        yield contract
    if dag_id == _COMPARE:
        for project in given.get("projects") or ():
            found = contract_of(context, str(project))
            if found is not None:
                yield found


def machines(context: Context) -> tuple[Capacity, ...]:
    """Return the machines jobs may go to, this one among them, with what administrators gave."""
    own, rules = here(), context.offers.rules()
    found = capacities(context.fleet.states(), datetime.now(UTC), rules, here=own)
    return with_here(found, own, rules)


def here() -> str:
    """Return the machine of the platform, as telemetry names it."""
    return own_id(Home.locate().run / "host-id")
