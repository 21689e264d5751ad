"""Machines and their tokens: admins alone, journalled without a secret, resumed after a kill."""

import hashlib
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.access import store as accounts
from services.actions.action import Action, Context
from services.actions.executor import Executor
from services.actions.machine_tokens import AddMachineToken, RevokeMachineToken
from services.actions.records import ActionRecord
from services.actions.remove_machine import RemoveMachine
from services.actions.roles import Actor
from services.engines.silicon.models import Sample
from services.engines.silicon.provider import measured
from services.errors import ConflictError, DeniedError, InputError, NotFoundError
from services.home import Home
from services.telemetry import removal, tokens
from services.telemetry.store import Store
from tests.services.actions.conftest import OWNER, Clock, build

HASH = hashlib.sha256(b"one").hexdigest()


@pytest.fixture
def folder(tmp_path: Path, mould: Path) -> Path:
    for name in ("mirror.sqlite", "journal.sqlite"):
        shutil.copy(mould / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(folder / "home"))
    found = Home.locate()
    found.create()
    return found


@pytest.fixture
def context(folder: Path, home: Home) -> Context:
    return build(folder)[0]


@pytest.fixture
def executor(context: Context, clock: Clock) -> Executor:
    return Executor(context, now=clock, elapsed=clock.elapsed)


def put(home: Home, host: str, age_s: float = 600.0) -> None:
    writer = Store(home.telemetry, merge_in_background=False)
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    writer.append(Sample(host, at, 2.0, (measured("cpu_ratio", 0.5, "psutil"),)))
    writer.close()


def joined(home: Home, name: str, host: str) -> str:
    folder = home.secrets / tokens.FOLDER
    made = tokens.make(folder, name)
    check = tokens.Tokens(folder)
    holder = check.holder(made)
    assert holder is not None
    check.bind(holder, host)
    return made


def done(executor: Executor, action: Action, who: Actor = OWNER, key: str = "") -> ActionRecord:
    submitted = executor.submit(who, action, key or os.urandom(8).hex())
    executor.execute_pending(only=submitted.id)
    return executor.record(submitted.id)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
@pytest.mark.parametrize(
    "action", [AddMachineToken("b", HASH), RevokeMachineToken("a"), RemoveMachine("mac-a")]
)
def test_others_than_admins_are_denied(
    executor: Executor, context: Context, home: Home, role: str, action: Action
):
    put(home, "mac-a")
    joined(home, "a", "mac-a")
    accounts.insert(context.journal, "vi", "x", role, None)  # type: ignore[arg-type]
    with pytest.raises(DeniedError, match="takes the role admin"):
        executor.submit(Actor("vi", role), action, "k")  # type: ignore[arg-type]


def test_a_token_is_made_and_the_journal_has_only_a_mark_of_its_hash(
    executor: Executor, context: Context, home: Home
):
    made, hashed = tokens.fresh()
    action = AddMachineToken("book", hashed)
    assert "first that comes with the token" in action.consequences(context)[0]
    record = done(executor, action)
    assert record.state == "done"
    holder = tokens.Tokens(home.secrets / tokens.FOLDER).holder(made)
    assert holder is not None
    assert holder.name == "book"
    assert hashed not in str(record.params)
    (one,) = context.fleet.holders()
    assert (one.token.name, one.token.host, one.last_at) == ("book", None, None)


def test_done_twice_after_a_kill_it_is_one_token(context: Context):
    context.fleet.add("book", HASH)
    context.fleet.add("book", HASH)
    with pytest.raises(ConflictError, match="There is a token book already"):
        context.fleet.add("book", "0" * 64)
    assert len(context.fleet.holders()) == 1


@pytest.mark.parametrize(
    ("action", "error", "said"),
    [
        (AddMachineToken("../x", HASH), InputError, "is no name for a token"),
        (AddMachineToken("a", HASH), ConflictError, "There is a token a already"),
        (AddMachineToken("b", "secret"), InputError, "no hash"),
        (RevokeMachineToken("z"), NotFoundError, "There is no token z"),
        (RevokeMachineToken("../z"), InputError, "is no name"),
        (RemoveMachine("mac-z"), NotFoundError, "These have: mac-a, mac-live"),
        (RemoveMachine("../secrets"), NotFoundError, "No machine named"),
        (RemoveMachine("mac-live"), ConflictError, "mac-live still reports"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    executor: Executor, home: Home, action: Action, error: type[Exception], said: str
):
    put(home, "mac-a")
    put(home, "mac-live", age_s=1.0)
    joined(home, "a", "mac-a")
    with pytest.raises(error, match=said):
        executor.submit(OWNER, action, "k")


def test_a_revoked_token_is_nobodys_and_the_history_stays(
    executor: Executor, context: Context, home: Home
):
    put(home, "mac-a")
    made = joined(home, "a", "mac-a")
    assert "What mac-a sends is refused" in RevokeMachineToken("a").consequences(context)[0]
    assert context.fleet.holders()[0].last_at is not None
    assert done(executor, RevokeMachineToken("a")).state == "done"
    assert tokens.Tokens(home.secrets / tokens.FOLDER).holder(made) is None
    assert context.fleet.holders() == ()
    assert [one.machine.host for one in Store(home.telemetry).hosts()] == ["mac-a"]


def test_a_machine_goes_with_its_token_and_no_other(
    executor: Executor, context: Context, home: Home
):
    put(home, "mac-a")
    put(home, "mac-b")
    joined(home, "a", "mac-a")
    joined(home, "b", "mac-b")
    said = RemoveMachine("mac-a").consequences(context)
    assert "cannot be brought back" in said[0]
    assert "Its token a ends" in said[2]
    record = done(executor, RemoveMachine("mac-a"))
    assert [step.name for step in record.steps] == ["Remove its history", "End its token a"]
    assert [one.machine.host for one in Store(home.telemetry).hosts()] == ["mac-b"]
    assert [one.token.name for one in context.fleet.holders()] == ["b"]


def test_one_without_a_token_says_how_it_may_come_back(context: Context, home: Home):
    put(home, "mac-a")
    assert "it is back with a new history" in RemoveMachine("mac-a").consequences(context)[2]


def test_one_that_came_back_before_it_was_done_is_left_alone(executor: Executor, home: Home):
    put(home, "mac-a")
    joined(home, "a", "mac-a")
    submitted = executor.submit(OWNER, RemoveMachine("mac-a"), "k")
    put(home, "mac-a", age_s=1.0)
    executor.execute_pending(only=submitted.id)
    record = executor.record(submitted.id)
    assert record.state == "compensated"
    assert "still reports" in record.error
    assert tokens.listed(home.secrets / tokens.FOLDER)[0].host == "mac-a"


@pytest.mark.parametrize("killed_in", ["remove", "revoke", "sweep"])
def test_killed_within_a_step_the_next_one_ends_it(
    folder: Path, home: Home, killed_in: str, monkeypatch: pytest.MonkeyPatch
):
    put(home, "mac-a")
    joined(home, "a", "mac-a")
    context, _ = build(folder)
    submitted = Executor(context).submit(OWNER, RemoveMachine("mac-a"), "k")
    child = os.fork()
    if child == 0:
        inner, _ = build(folder)
        place = removal if killed_in == "sweep" else type(inner.fleet)
        # Of the sweep nothing is done: the files are out of the way, and still there.
        whole = (lambda _root: None) if killed_in == "sweep" else getattr(place, killed_in)

        def killed(*given: object) -> None:
            whole(*given)
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(place, killed_in, killed)
        Executor(inner).execute_pending()
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    executor = Executor(build(folder)[0])
    executor.execute_pending()
    assert executor.record(submitted.id).state == "done"
    assert Store(home.telemetry).hosts() == ()
    assert tokens.listed(home.secrets / tokens.FOLDER) == ()
    assert not list(home.telemetry.glob(".removed-*"))
