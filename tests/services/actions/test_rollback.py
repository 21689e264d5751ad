import pytest

from services.actions import history
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.history import AliasEvent
from services.actions.promote import Promote, Rollback
from services.actions.roles import Actor
from services.errors import (
    ConflictError,
)
from tests.services.actions.carried_out import done
from tests.services.actions.conftest import FileEngine


def test_rollback_goes_to_the_version_before(
    context: Context, engine: FileEngine, executor: Executor, ana: Actor
):
    done(executor, ana, Promote("p", "m", 2), "1")
    done(executor, ana, Promote("p", "m", 3), "2")
    assert done(executor, ana, Rollback("p", "m"), "3").state == "done"
    assert engine.alias("p", "m", "champion") == 2
    versions = [s.version for s in history.alias_spans(context.journal, "p", "m", "champion")]
    assert versions == [2, 3, 2]


def test_nothing_to_roll_back_to_is_a_sentence(executor: Executor, ana: Actor):
    with pytest.raises(ConflictError, match="no earlier champion"):
        executor.submit(ana, Rollback("p", "m"), "k")


def test_what_was_confirmed_is_rolled_back_to(executor: Executor, engine: FileEngine, ana: Actor):
    done(executor, ana, Promote("p", "m", 2), "1")
    done(executor, ana, Promote("p", "m", 3), "2")
    promoted = executor.submit(ana, Promote("p", "m", 1, override="try"), "3")
    record = executor.submit(ana, Rollback("p", "m"), "4")
    assert record.params["to_version"] == 2
    assert record.title == "Roll m back to version 2 as champion"
    executor.execute_pending()
    executor.execute_pending()
    assert executor.record(promoted.id).state == "done"
    assert engine.alias("p", "m", "champion") == 2


def test_rolling_back_twice_goes_back_two_versions(
    context: Context, executor: Executor, engine: FileEngine, ana: Actor
):
    for key, version in enumerate((1, 2, 3)):
        done(executor, ana, Promote("p", "m", version, override="x"), str(key))
    for key, expected in ((10, 2), (11, 1)):
        done(executor, ana, Rollback("p", "m"), str(key))
        assert engine.alias("p", "m", "champion") == expected
    with pytest.raises(ConflictError, match="no earlier"):
        executor.submit(ana, Rollback("p", "m"), "12")
    done(executor, ana, Promote("p", "m", 3), "13")
    assert history.earlier_versions(context.journal, "p", "m", "champion") == (1,)


def test_a_version_that_is_gone_is_not_rolled_back_to(
    context: Context, executor: Executor, engine: FileEngine, ana: Actor
):
    for version in (2, 7):
        event = AliasEvent("p", "m", "champion", version, history.OBSERVED, None)
        history.record(context.journal, event)
    engine.set_alias("p", "m", "champion", 7)
    done(executor, ana, Promote("p", "m", 3), "1")
    done(executor, ana, Rollback("p", "m"), "2")
    assert engine.alias("p", "m", "champion") == 2


def test_the_champion_nobody_noted_can_be_rolled_back_to(
    executor: Executor, engine: FileEngine, ana: Actor
):
    engine.set_alias("p", "m", "champion", 1)
    done(executor, ana, Promote("p", "m", 2), "1")
    done(executor, ana, Rollback("p", "m"), "2")
    assert engine.alias("p", "m", "champion") == 1
