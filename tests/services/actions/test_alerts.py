"""Acknowledging and silencing alerts, and the channels that are told of them."""

import time
from typing import Any

import pytest

from services.access import store as people
from services.actions import catalog
from services.actions.action import Context
from services.actions.alert_channels import AddChannel, RemoveChannel, TryChannel
from services.actions.alerts import (
    AcknowledgeAlert,
    CloseAlert,
    EndSilence,
    ReleaseAlert,
    SilenceAlerts,
)
from services.actions.executor import ActionRecord, Executor
from services.actions.roles import Actor
from services.alerting import channels, deciding, delivery, inbox, outbox, store
from services.alerting.models import Alert, Channel, Event, Message, Policy
from services.errors import (
    ConflictError,
    DeniedError,
    EngineUnreachableError,
    InputError,
    MlopsError,
    NotFoundError,
    PlatformError,
)
from services.home import Home
from services.retraining import outcomes
from tests.services.actions.conftest import OWNER

ADDRESS = "json://user:hunter2@hooks.example/T0"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []

    def deliver(channel: Channel, address: str, message: Message) -> None:
        found.append((channel.name, address, message.body))

    monkeypatch.setattr(delivery, "deliver", deliver)
    return found


def done(executor: Executor, action: Any, actor: Actor = OWNER) -> ActionRecord:
    record = executor.submit(actor, action, f"{time.monotonic_ns()}")
    executor.execute_pending(only=record.id)
    found = executor.record(record.id)
    if found.state != "done":
        raise MlopsError(found.error, found.hint)
    return found


def fired(context: Context, key: str = "run/p/sgd", project: str | None = "p") -> Alert:
    deciding.decide(
        context.journal, [Event(key, time.time(), "firing", project=project, title="It broke")],
        time.time(), Policy(),
    )  # fmt: skip
    return store.alerts(context.journal, key=key)[0]


def person(context: Context, name: str, role: Any, projects: Any = None) -> Actor:
    people.insert(context.journal, name, "x", role, projects)
    return Actor(name, role, projects)


# Acknowledging


def test_an_operator_looks_after_an_alert(context: Context, executor: Executor):
    one = fired(context)
    ben = person(context, "ben", "operator")
    done(executor, AcknowledgeAlert(one.id, "p", "on it"), ben)
    found = store.alert(context.journal, one.id)
    assert (found.state, found.owner, found.note) == ("acknowledged", "ben", "on it")
    assert "reminded" in AcknowledgeAlert(one.id, "p").consequences(context)[0]


def test_who_may_not_and_what_cannot_be_looked_after(context: Context, executor: Executor):
    one, other = fired(context), fired(context, "disk/d", None)
    with pytest.raises(DeniedError):
        done(executor, AcknowledgeAlert(one.id, "p"), person(context, "vera", "viewer"))
    scoped = person(context, "sam", "operator", ("p",))
    done(executor, AcknowledgeAlert(one.id, "p"), scoped)
    for stranger in (AcknowledgeAlert(other.id, None), AcknowledgeAlert(other.id, "p")):
        with pytest.raises((DeniedError, NotFoundError)):
            done(executor, stranger, scoped)
    with pytest.raises(NotFoundError):
        done(executor, AcknowledgeAlert(999, "p"))
    with pytest.raises(InputError, match="A note"):
        done(executor, AcknowledgeAlert(one.id, "p", "x" * 1001))
    over = Event("run/p/sgd", time.time() + 1, "ok", said="Well.")
    deciding.decide(context.journal, [over], time.time() + 2, Policy())
    with pytest.raises(ConflictError, match=r"has ended: Well\."):
        done(executor, AcknowledgeAlert(one.id, "p"))


def test_an_operator_closes_what_nobody_can_see_and_nothing_else(
    context: Context, executor: Executor
):
    one = fired(context)
    ben = person(context, "ben", "operator")
    with pytest.raises(ConflictError, match="ends on evidence"):
        done(executor, CloseAlert(one.id, "p", "It is over."), ben)
    away = Event("run/p/sgd", time.time() + 1, "unknown", said="Nobody can tell.")
    deciding.decide(context.journal, [away], time.time() + 2, Policy())
    for reason in (" ", "x" * 1001):
        with pytest.raises(InputError, match="reason"):
            done(executor, CloseAlert(one.id, "p", reason), ben)
    with pytest.raises(DeniedError):
        done(executor, CloseAlert(one.id, "p", "Over."), person(context, "vera", "viewer"))
    for stranger in (CloseAlert(one.id, None, "Over."), CloseAlert(999, "p", "Over.")):
        with pytest.raises(NotFoundError):
            done(executor, stranger)
    assert "counts as over" in CloseAlert(one.id, "p", "Over.").consequences(context)[0]
    record = done(executor, CloseAlert(one.id, "p", "It was deleted."), ben)
    assert store.alert(context.journal, one.id).resolution == "ben closed it: It was deleted."
    closed = store.alert(context.journal, one.id)
    (found,) = outcomes.of_alerts(context.journal, [closed]).values()
    assert found.deeds[-1].id == record.id


def test_what_carries_an_alerts_thread_is_of_its_story(context: Context, executor: Executor):
    one, other = fired(context), fired(context, "run/p/adam")
    asked = done(executor, SilenceAlerts(one.key, f"See {one.thread}.", time.time() + 600, "p"))
    found = outcomes.of_alerts(context.journal, [one, other])
    assert [deed.id for deed in found[one.id].deeds] == [asked.id]
    assert found[other.id].deeds == ()


# Silences


def test_a_silence_keeps_quiet_and_is_ended(context: Context, executor: Executor):
    one = fired(context)
    action = SilenceAlerts("run/*", "Known.", time.time() + 600, "p")
    assert "1 of them are open now" in action.consequences(context)[0]
    done(executor, action)
    (silence,) = store.silences(context.journal)
    assert (silence.owner, silence.reason, silence.project) == ("owner", "Known.", "p")
    deciding.decide(context.journal, [], time.time(), Policy())
    assert store.alert(context.journal, one.id).state == "silenced"
    with pytest.raises(NotFoundError):
        done(executor, EndSilence(silence.id))
    done(executor, EndSilence(silence.id, "p"))
    deciding.decide(context.journal, [], time.time(), Policy())
    assert store.alert(context.journal, one.id).state == "firing"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"reason": " "}, "reason"), ({"reason": "x" * 1001}, "reason"),
        ({"pattern": ""}, "pattern"), ({"pattern": "a\nb"}, "pattern"),
        ({"pattern": "*" * 9}, "pattern"), ({"pattern": "x" * 301}, "pattern"),
        ({"expires_at": 5.0}, "future"), ({"expires_at": float("nan")}, "future"),
        ({"expires_at": time.time() + 31 * 86_400}, "30 days"),
    ],
)  # fmt: skip
def test_a_silence_without_reason_end_or_sense_is_refused(
    context: Context, executor: Executor, said: dict, words: str
):
    given = {"pattern": "*", "reason": "r", "expires_at": time.time() + 60, **said}
    with pytest.raises(InputError, match=words):
        done(executor, SilenceAlerts(**given))
    assert store.silences(context.journal) == ()


def test_a_silence_of_a_project_that_is_not_there_is_refused(context: Context, executor: Executor):
    with pytest.raises(NotFoundError):
        done(executor, SilenceAlerts("*", "r", time.time() + 60, "nope"))
    scoped = person(context, "sam", "operator", ("p",))
    with pytest.raises(DeniedError):
        done(executor, SilenceAlerts("*", "r", time.time() + 60), scoped)


# Channels


def add(home: Home, **said: Any) -> AddChannel:
    given = {"name": "ops", "service": "json", **said}
    reference = given.pop("reference", None) or channels.keep_address(home, ADDRESS)
    return AddChannel(reference=reference, **given)


def test_a_channel_is_kept_without_its_address(context: Context, executor: Executor, home: Home):
    action = add(home, quiet="22:00-07:00", projects=("p",), severity="critical", escalation=True)
    record = done(executor, action)
    found = channels.channel(context.journal, "ops")
    assert (found.severity, found.projects, found.escalation) == ("critical", ("p",), True)
    assert (found.created_by, channels.address(home, found)) == ("owner", ADDRESS)
    assert "hunter2" not in str(record)
    if context.journal.path is not None:
        assert b"hunter2" not in context.journal.path.read_bytes()
    assert len(action.consequences(context)) == 2


def test_a_channel_of_the_same_name_takes_its_place_and_its_secret_goes(
    context: Context, executor: Executor, home: Home
):
    done(executor, add(home))
    done(executor, add(home, private=True))
    assert channels.channel(context.journal, "ops").private is True
    assert len(list(home.secrets.glob("alert-channel-*"))) == 1


def test_a_channel_that_is_removed_leaves_no_secret(
    context: Context, executor: Executor, home: Home
):
    done(executor, add(home))
    assert "the last one" in RemoveChannel("ops").consequences(context)[1]
    done(executor, RemoveChannel("ops"))
    assert channels.channels(context.journal) == ()
    assert list(home.secrets.glob("alert-channel-*")) == []
    with pytest.raises(NotFoundError):
        done(executor, RemoveChannel("ops"))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"name": "Ops!"}, InputError), ({"severity": "awful"}, InputError),
        ({"quiet": "late"}, InputError), ({"quiet": "22:00-07:00", "zone": "X"}, InputError),
        ({"projects": ("nope",)}, NotFoundError), ({"reference": "../../etc"}, InputError),
        ({"reference": "0" * 16}, PlatformError), ({"service": "x" * 41}, InputError),
    ],
)  # fmt: skip
def test_a_channel_that_makes_no_sense_is_refused(
    context: Context, executor: Executor, home: Home, said: dict, error: type[Exception]
):
    with pytest.raises(error):
        done(executor, add(home, **said))
    assert channels.channels(context.journal) == ()


def test_only_an_admin_adds_and_removes(context: Context, executor: Executor, home: Home):
    approver = person(context, "ana", "approver")
    for action in (add(home), RemoveChannel("ops")):
        with pytest.raises(DeniedError):
            done(executor, action, approver)


def test_a_test_says_how_it_went(
    context: Context, executor: Executor, home: Home, sent: list[tuple[str, str, str]]
):
    done(executor, add(home))
    record = done(executor, TryChannel("ops"), person(context, "ben", "operator"))
    ((name, address, body),) = sent
    assert (name, address) == ("ops", ADDRESS)
    assert body.startswith("ben tried it.")
    assert record.steps[0].detail.startswith("it arrived after")
    assert [(m.what, m.state) for m in outbox.messages(context.journal)] == [("test", "sent")]


def test_a_test_that_fails_fails_at_once_with_the_reason(
    context: Context, executor: Executor, home: Home, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object) -> None:
        raise EngineUnreachableError("It hangs.", "Look.")

    monkeypatch.setattr(delivery, "deliver", away)
    done(executor, add(home))
    with pytest.raises(MlopsError, match=r"It hangs\."):
        done(executor, TryChannel("ops"))
    (message,) = outbox.messages(context.journal)
    assert (message.what, message.state, message.error) == ("test", "failed", "It hangs.")
    (failed,) = inbox.inbox(context.journal, OWNER)
    assert (failed.kind, failed.title) == ("action", "Try the channel ops")
    assert failed.said.startswith("It hangs.")
    monkeypatch.setattr(delivery, "deliver", lambda *_: None)
    done(executor, TryChannel("ops"))
    assert inbox.inbox(context.journal, OWNER) == ()


def test_all_of_them_come_back_from_the_journal(home: Home):
    for action in (
        AcknowledgeAlert(1, "p", "n", 60.0), ReleaseAlert(1, "p"), CloseAlert(1, None, "r"),
        SilenceAlerts("*", "r", 5.0),
        EndSilence(1),
        add(home, projects=("p",)), RemoveChannel("ops"), TryChannel("ops"),
    ):  # fmt: skip
        assert catalog.load(action.kind, catalog.dump(action)) == action
        assert action.subject
        assert action.title
