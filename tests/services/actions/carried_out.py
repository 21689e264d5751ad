"""Ask for an action and carry it out at once."""

from services.actions.executor import Executor
from services.actions.roles import Actor


def done(executor: Executor, actor: Actor, action: object, key: str = "k") -> object:
    """Return the action's record as it is then."""
    record = executor.submit(actor, action, key)  # type: ignore[arg-type]
    executor.execute_pending()
    return executor.record(record.id)
