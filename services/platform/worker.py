"""This machine as a worker: Airflow's worker kept alive, its projects ready, until it is drained.

MLOPS_HOME/secrets/worker.json   where it works, and with which invitation
           worker/facts.json     what the machine can do; told with each heartbeat
           run/worker.json       how it is, for ``mlops worker --status``
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from services.errors import ConflictError, InputError, MlopsError, NotFoundError
from services.home import Home
from services.platform import control, lock, worker_setup
from services.platform.engines import WORKER
from services.platform.files import read_json, write_json
from services.platform.keeper import Keeper
from services.platform.logs import rotate
from services.platform.state import EngineState
from services.platform.worker_joining import VARIABLE, Invitation
from services.platform.worker_projects import Projects, forget
from services.platform.worker_setup import Post
from services.process_identity import Identity
from services.projects import discovery

SLOTS = 4
_LOOK_S = 5.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Joined:
    """For whom this machine works."""

    url: str
    token: str
    """The invitation as one word."""
    name: str = ""
    """Of this machine in the team; empty: as telemetry names it."""
    slots: int = SLOTS

    @property
    def invitation(self) -> Invitation:
        """What the token says."""
        return Invitation.read(self.token)


@dataclass(frozen=True, slots=True)
class Status:
    """How this machine's worker is."""

    url: str
    host: str
    phase: str
    """``away``: it does not run now; else as of every engine, and ``draining``."""
    detail: str
    since: float | None
    heartbeat_at: float | None
    """When it last reported, in seconds since 1970."""
    projects: tuple[str, ...]
    pid: int | None


def kept(home: Home) -> Joined | None:
    """Return for whom this machine worked last, None when for nobody."""
    said = read_json(home.secrets / "worker.json")
    if said is None:
        return None
    try:
        return Joined(
            str(said["url"]), str(said["token"]), str(said["name"]), int(str(said["slots"]))
        )
    except (KeyError, ValueError):
        return None


def keep(home: Home, joined: Joined) -> None:
    """Note for whom this machine works.

    Raises:
        PlatformError: It cannot be written.
    """
    write_json(
        home.secrets / "worker.json",
        {"url": joined.url, "token": joined.token, "name": joined.name, "slots": joined.slots},
    )


def check_home(home: Home) -> None:
    """Let a home pass that has no platform of its own.

    Raises:
        ConflictError: A platform runs in it, or did.
    """
    if control.running(home) is not None or (home.airflow / "airflow.db").exists():
        raise ConflictError(
            f"{home.root} is the home of a platform of its own.",
            "A worker needs a home for itself: `export MLOPS_HOME=~/.mlops-worker`, then again.",
        )


class Worker:
    """Airflow's worker of this machine and what it needs, under one process."""

    def __init__(self, home: Home, joined: Joined, projects_root: Path, say: Say) -> None:
        """Begin; nothing is started yet.

        Args:
            home: Of the worker.
            joined: For whom it works.
            projects_root: The folder with the projects of this machine.
            say: Takes each sentence that is news.
        """
        self._home = home
        self._joined = joined
        self._say = say
        self._projects = Projects(home, projects_root, joined.invitation, say)
        self._ready: tuple[str, ...] = ()
        self._host = ""
        self._asked = 0
        self._ending = threading.Event()
        self._told = ""
        self._last = EngineState(WORKER)

    def run(self) -> None:
        """Work until asked to end; then take nothing more, and end when the last task did.

        Raises:
            ConflictError: A worker runs in this home already.
            PlatformError: A file cannot be written.
        """
        if lock.take(self._home.run / "worker.lock") is None:
            raise ConflictError(
                "This machine works already.", "`mlops worker --status` says how it is."
            )
        # No process that is started from here needs it.
        os.environ.pop(VARIABLE, None)
        self._ready = self._projects.ready()
        self._host = worker_setup.write_facts(self._home, self._joined.name, self._ready)
        post = Post(
            self._home, self._host, self._joined.url, self._joined.invitation.key,
            self._joined.slots, drains=True,
        )  # fmt: skip
        worker_setup.prepare(post)
        keeper = Keeper(worker_setup.spec(post), self._home, self._publish)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        keeper.start()
        while not self._ending.wait(_LOOK_S):
            self._look()
        self._drain(keeper)

    def _look(self) -> None:
        rotate(self._home.logs / f"{WORKER}.log")
        try:
            ready = self._projects.ready()
            if ready != self._ready:
                worker_setup.write_facts(self._home, self._joined.name, ready)
                self._ready = ready
        except MlopsError as error:
            self._tell(str(error))

    def _drain(self, keeper: Keeper) -> None:
        self._say("It takes no new task and ends when its last one has; once more ends them too.")
        keeper.stop()
        while keeper.thread.is_alive():
            keeper.thread.join(0.2)
            leader = self._last.leader
            if self._asked > 1 and leader is not None and leader.alive:
                # To Airflow's worker: end your tasks. They are tried again elsewhere.
                with suppress(OSError):
                    os.kill(leader.pid, signal.SIGTERM)
                self._asked = 1
        self._say("It has ended.")

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1
        self._ending.set()

    def _publish(self, state: EngineState) -> None:
        self._last = state
        phase = "draining" if self._ending.is_set() and state.phase == "stopping" else state.phase
        document = {
            "host": self._host,
            "phase": phase,
            "detail": state.detail,
            "since": state.since,
        }
        own = Identity.of(os.getpid())
        document |= asdict(own) if own else {}
        with suppress(MlopsError):  # a full disk does not end a worker
            write_json(self._home.run / "worker.json", document, durable=False)
        words = "works" if phase == "live" else phase
        self._tell(f"{self._host} {words}. {state.detail}".strip())

    def _tell(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            self._say(sentence)


def status(home: Home) -> Status:
    """Return how this machine's worker is.

    Raises:
        NotFoundError: This machine works for nobody.
    """
    joined = kept(home)
    if joined is None:
        raise _nobody()
    said = read_json(home.run / "worker.json") or {}
    pid = _runs(said)
    facts = read_json(home.root / "worker" / "facts.json") or {}
    there = facts.get("projects")
    beat = (read_json(worker_setup.report(home)) or {}).get("at")
    since = said.get("since")
    return Status(
        joined.url,
        str(said.get("host") or facts.get("host") or joined.name),
        str(said.get("phase") or "away") if pid else "away",
        str(said.get("detail") or "") if pid else "`mlops worker` starts it again.",
        float(since) if pid and isinstance(since, (int, float)) else None,
        float(beat) if isinstance(beat, (int, float)) else None,
        tuple(str(one) for one in there) if isinstance(there, list) else (),
        pid,
    )


def drain(home: Home, timeout_s: float | None = None) -> bool:
    """Have this machine's worker end when its tasks did; return whether it ended in time.

    Raises:
        NotFoundError: None runs.
    """
    pid = status(home).pid
    if pid is None:
        raise NotFoundError("No worker runs on this machine.", "`mlops worker` starts it again.")
    os.kill(pid, signal.SIGTERM)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while _runs(read_json(home.run / "worker.json") or {}) is not None:
        if deadline is not None and time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def leave(home: Home, projects_root: Path) -> None:
    """End this machine's worker and forget for whom it worked: no token stays here.

    Raises:
        NotFoundError: This machine works for nobody.
    """
    if kept(home) is None:
        raise _nobody()
    with suppress(NotFoundError):
        drain(home)
    forget([one.path for one in discovery.found(projects_root, ())])
    (worker_setup.root(home) / "airflow.cfg").unlink(missing_ok=True)
    (home.secrets / "worker.json").unlink(missing_ok=True)


def asked(
    home: Home, url: str | None, token: str | None, name: str | None, slots: int | None
) -> Joined:
    """Return what was asked for, and what was kept for what was not.

    Raises:
        InputError: Neither says for whom to work.
    """
    known = kept(home)
    if not url and known:
        found = known
    elif url and (token or (known and known.url == url)):
        found = Joined(url, token or (known.token if known else ""))
        found = replace(found, name=known.name, slots=known.slots) if known else found
    else:
        raise InputError(
            "It is not known for whom to work, or with which token.",
            "`mlops worker --invite` on the platform's machine prints the whole command.",
        )
    return replace(
        found, name=name or found.name, slots=slots or found.slots, token=token or found.token
    )


def _runs(said: dict[str, object]) -> int | None:
    known = Identity.noted(said)
    return known.pid if known and known.alive else None


def _nobody() -> NotFoundError:
    return NotFoundError(
        "This machine is no worker.",
        "`mlops worker --invite` on the platform's machine prints how it becomes one.",
    )
