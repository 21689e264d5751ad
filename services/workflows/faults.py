"""Why a file makes no workflow: what is wrong, in which line, and what to mend."""

import re
from dataclasses import dataclass

from services.mirror.workflow_models import WorkflowFault

_PLACE = re.compile(r'File "([^"\n]{1,1000})", line (\d{1,9})')
_NAMED = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Z]\w*): (.*)")
_OURS = ("/site-packages/", "/mlops_workflows/", "<frozen", "/importlib/")
_STUB = "mlops_dag_"
"""Begin of the files the platform writes itself: nobody mends those."""
_MODULE = re.compile(r"No module named '?([\w.]+)'?")


@dataclass(frozen=True, slots=True)
class FaultExplained:
    """What is known of a file that makes no workflow."""

    cause: str
    place: str
    """``FILE:LINE`` of the project's own code that raised it; empty: it is the contract."""
    next_step: str
    command: str


def explain_fault(fault: WorkflowFault) -> FaultExplained:
    """Return why a file makes no workflow."""
    kind, said = _cause(fault.cause)
    place = _place(fault.stacktrace)
    missing = _MODULE.search(said)
    if kind == "SpecError" or not place:
        step = "Mend [tool.mlops] in the project's pyproject.toml; Airflow reads it within seconds."
    elif missing:
        step = (
            f"Airflow's environment has no {missing[1]}: let a command of the project import it, "
            "not its DAG file."
        )
    else:
        step = "Mend that line; Airflow reads the file again within seconds."
    cause = said if kind in {"", "SpecError"} else f"{kind}: {said}".removesuffix(": ")
    command = f"mlops projects check {fault.project}" if _is_project(fault.project) else ""
    return FaultExplained(_sentence(cause), place, step, command)


def _cause(text: str) -> tuple[str, str]:
    """Return the exception's name and what it says; no name where there is none."""
    found = _NAMED.fullmatch(text.strip())
    return (found[1], found[2]) if found else ("", text.strip())


def _place(stacktrace: str) -> str:
    """Return the last line of the trace that is neither ours nor a library's."""
    found = [
        (file, line)
        for file, line in _PLACE.findall(stacktrace)
        if not any(part in file for part in _OURS) and not file.rpartition("/")[2].startswith(_STUB)
    ]
    return f"{found[-1][0]}:{found[-1][1]}" if found else ""


def _is_project(project: str) -> bool:
    return bool(re.fullmatch(r"[a-z][a-z0-9-]{1,40}", project)) and project != "platform"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
