"""Changing what a channel is told, without its address."""

from typing import Any

import pytest

from services.actions import catalog
from services.actions.action import Context
from services.actions.alert_channels import AddChannel, SetChannel
from services.actions.executor import Executor
from services.alerting import channels, outbox
from services.alerting.models import Channel, Quiet
from services.errors import DeniedError, InputError, NotFoundError
from services.home import Home
from tests.services.actions.conftest import OWNER
from tests.services.actions.test_alerts import ADDRESS, done, person

ALL: dict[str, Any] = {
    "severity": "critical", "projects": ("p",), "quiet": "22:00-07:00", "zone": "Europe/Berlin",
    "private": True, "escalation": True, "kinds": ("drift", "disk"), "days": "mon-fri",
}  # fmt: skip


@pytest.fixture
def ops(context: Context, executor: Executor, home: Home) -> Channel:
    done(executor, AddChannel("ops", "json", channels.keep_address(home, ADDRESS), kinds=("run",)))
    return channels.channel(context.journal, "ops")


def test_all_of_it_is_changed_and_the_address_stays(
    context: Context, executor: Executor, home: Home, ops: Channel
):
    assert ops.kinds == ("run",)
    with context.journal.write() as connection:
        outbox.unwell(connection, "ops", "It hangs.", 5.0)
    action = SetChannel("ops", **ALL)
    done(executor, action)
    quiet = Quiet(22 * 60, 7 * 60, "Europe/Berlin", (0, 1, 2, 3, 4))
    assert channels.channel(context.journal, "ops") == Channel(
        "ops", "json", "critical", ("p",), quiet, private=True, escalation=True,
        kinds=("drift", "disk"), reference=ops.reference, created_at=ops.created_at,
        created_by=OWNER.name, trouble="It hangs.", failures=1,
    )  # fmt: skip
    assert channels.address(home, ops) == ADDRESS
    told, when, _ = action.consequences(context)
    assert "of p, of the kinds drift, disk, from critical on" in told
    assert "22:00-07:00 Europe/Berlin mon-fri" in when
    assert catalog.load(action.kind, catalog.dump(action)) == action


def test_one_that_is_added_has_all_of_it(context: Context, executor: Executor, home: Home):
    done(executor, AddChannel("new", "json", channels.keep_address(home, ADDRESS), **ALL))
    made = channels.channel(context.journal, "new")
    assert (made.kinds, made.projects, made.created_by) == (("drift", "disk"), ("p",), OWNER.name)
    assert made.quiet is not None
    assert made.quiet.days == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"name": "nobody"}, NotFoundError), ({"kinds": ("drift", "weather")}, InputError),
        ({"severity": "awful"}, InputError), ({"projects": ("nope",)}, NotFoundError),
        ({"quiet": "22:00-07:00", "days": "someday"}, InputError), ({"days": "mon"}, InputError),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("ops")
def test_what_makes_no_sense_is_refused(
    context: Context, executor: Executor, said: dict[str, Any], error: type[Exception]
):
    with pytest.raises(error):
        done(executor, SetChannel(**{"name": "ops", **said}))
    assert channels.channel(context.journal, "ops").kinds == ("run",)


@pytest.mark.usefixtures("ops")
def test_only_an_admin_changes_one(context: Context, executor: Executor):
    with pytest.raises(DeniedError):
        done(executor, SetChannel("ops"), person(context, "ana", "approver"))
