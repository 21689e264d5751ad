"""Files that make no workflow: the cause, the line of the project's own, what to mend."""

import pytest

from services.mirror.workflow_models import WorkflowFault
from services.workflows.faults import explain_fault
from tests.services.mirror.workflow_things import at

STUB = '  File "/home/airflow/dags/mlops_dag_toy.py", line 3, in <module>\n'
OURS = '  File "/toolkit/workflows/src/mlops_workflows/dags.py", line 14, in build\n'
OWN = '  File "/projects/toy/own.py", line 7, in <module>\n    import torch\n'
LIBRARY = '  File "/venv/lib/python3.11/site-packages/airflow/sdk/dag.py", line 9, in DAG\n'


def fault(cause: str, *trace: str, project: str = "toy") -> WorkflowFault:
    stack = "Traceback (most recent call last):\n" + "".join(trace) + cause
    return WorkflowFault("mlops_dag_toy.py", project, cause, stack, at(0))


@pytest.mark.parametrize(
    ("given", "cause", "place", "step"),
    [
        (
            fault("mlops_workflows.spec.SpecError: Toy cannot be run: priority is 99.", STUB, OURS),
            "Toy cannot be run: priority is 99.", "", "Mend [tool.mlops]",
        ),
        (
            fault("ModuleNotFoundError: No module named 'torch'", STUB, OURS, OWN),
            "ModuleNotFoundError: No module named 'torch'.", "/projects/toy/own.py:7",
            "Airflow's environment has no torch",
        ),
        (
            fault("TypeError: bad", STUB, OWN, LIBRARY),
            "TypeError: bad.", "/projects/toy/own.py:7", "Mend that line",
        ),
        (fault("KeyError", STUB), "KeyError.", "", "Mend [tool.mlops]"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_what_to_mend(
    given: WorkflowFault, cause: str, place: str, step: str
):
    found = explain_fault(given)
    assert (found.cause, found.place) == (cause, place)
    assert found.next_step.startswith(step)
    assert found.command == "mlops projects check toy"


def test_no_command_is_made_of_what_is_no_project():
    assert explain_fault(fault("KeyError", project="x; rm")).command == ""
    assert explain_fault(fault("KeyError", project="platform")).command == ""
