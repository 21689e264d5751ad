"""Which queue a task goes to when several machines take tasks. Standard library alone."""

from mlops_workflows.told import ToldFile

QUEUE = "mlops@"
"""Each worker listens to the queue of its own machine and to no other: ``mlops@HOST``."""
BESIDE = "mlops.beside."
"""Begins a queue that stands for the machine of another task of the run: its files are there."""


def queue_for(told: ToldFile, name: str, queue: str, here: str) -> str:
    """Return the queue a task goes to.

    Args:
        told: What the controller decided.
        name: Of the task; see ``told.key``.
        queue: The one its DAG names: that of a machine that fits.
        here: The machine of the platform.
    """
    verdict = told.verdict(name)
    if verdict.host:
        return QUEUE + verdict.host
    if verdict.may_start or not here:
        return queue  # nobody decides now: a machine that fits is as good as another
    # It has to wait. The machine of the platform defers it, the others know nothing of the line.
    return QUEUE + here
