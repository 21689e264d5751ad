"""One model server as it is told to start, and what can be seen of it from outside.

What it says goes to a file and not into a pipe, and whose it is stands in a record: so it can be
watched, ended and taken over by whoever comes after the process that started it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import orjson
import psutil

from services.home import Home
from services.process_identity import age_s, start_of
from services.serving import paths
from services.serving.models import Backend

MARK = "MLOPS_REPLICA"
"""In the environment of every model server: its id."""
_SAME_MOMENT_S = 1.5
_YOUNG_S = 10.0
"""A model server without a record that is younger is perhaps just being noted."""
_SAID_LIMIT = 256 << 10
_BACKENDS: tuple[Backend, ...] = ("mlx", "mps", "cuda", "cpu")


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """Everything that is needed to start one model server."""

    id: str
    name: str
    """Of the endpoint."""
    project: str
    model: str
    version: int
    memory_bytes: int
    backend: str
    """``auto``: the model server chooses."""
    max_batch: int
    bundle: str
    folder: str
    """The project's."""
    python: str
    """Of the project's environment."""
    socket: str
    events: str
    """File with what it says of itself, a JSON line an event."""
    record: str
    """File with its process."""
    log: str
    home: str

    @property
    def address(self) -> str:
        """Return where it is asked."""
        return f"unix:{self.socket}"

    def as_json(self) -> dict[str, Any]:
        """Return it as records hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Return what ``as_json`` wrote."""
        return cls(**{name: said[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a replica now."""

    id: str
    state: Literal["absent", "starting", "ready", "failed", "ended"]
    """``absent``: it was not started yet; ``failed``: it said why it cannot; ``ended``: gone."""
    said: str = ""
    hint: str = ""
    stage: str = ""
    """Where it failed, or is: load, warm-up, bind."""
    pid: int | None = None
    created: float | None = None
    backend: Backend | None = None
    backend_reason: str = ""
    load_s: float | None = None
    warm_s: float | None = None
    rss_bytes: int | None = None
    peak_bytes: int | None = None


def folder(home: Home) -> Path:
    """Return the folder of records and events, made when it is missing."""
    made = paths.run(home) / "replicas"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


def records(home: Home) -> tuple[ReplicaSpec, ...]:
    """Return the replicas of which there is a record, whether they live or not."""
    found = []
    for path in sorted(folder(home).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.append(ReplicaSpec.from_json(orjson.loads(path.read_bytes())["spec"]))
    return tuple(found)


def keep_record(spec: ReplicaSpec, pid: int, created: float) -> None:
    """Note the process of a replica.

    Raises:
        OSError: It cannot be written.
    """
    paths.publish(Path(spec.record), {"pid": pid, "created": created, "spec": spec.as_json()})


def forget(spec: ReplicaSpec) -> None:
    """Remove what a replica that ended left behind, but its log."""
    for name in (spec.record, spec.events, spec.socket):
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)


def process_of(spec: ReplicaSpec) -> psutil.Process | None:
    """Return its process, None when it ended; one that waits to be buried did."""
    try:
        said = orjson.loads(Path(spec.record).read_bytes())
        found = psutil.Process(int(said["pid"]))
        same = _is_of(found, spec, float(said["created"]))
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _is_of(process: psutil.Process, spec: ReplicaSpec, created: float) -> bool:
    """Return whether a process is the one of the record, and no later one with its number."""
    if abs(process.create_time() - created) < _SAME_MOMENT_S:
        return True
    # A clock that is set moves the moment at which every process seems to have begun.
    return bool(process.environ().get(MARK) == spec.id)


def look(spec: ReplicaSpec, *, memory: bool = False) -> Seen:
    """Return what is seen of a replica.

    Args:
        spec: Which.
        memory: Whether to look how much it has now, which costs more.
    """
    if not Path(spec.record).exists():
        return Seen(spec.id, "absent")
    process = process_of(spec)
    said = _told(_events(Path(spec.events)))
    if process is None:
        why = said.get("reason") or "It ended."
        state: Literal["failed", "ended"] = "failed" if said.get("event") == "failed" else "ended"
        return Seen(
            spec.id, state, str(why), str(said.get("hint") or ""), str(said.get("stage") or "")
        )
    return _alive(spec, process, said, memory=memory)


def _alive(
    spec: ReplicaSpec, process: psutil.Process, said: dict[str, Any], *, memory: bool
) -> Seen:
    ready = said.get("event") == "ready"
    told = said.get("memory")
    told = told if isinstance(told, dict) else {}
    rss = _rss(process) if memory else _number(told.get("rss_bytes"))
    backend = said.get("backend")
    return Seen(
        spec.id,
        "ready" if ready else "starting",
        stage="" if ready else str(said.get("stage") or said.get("event") or "load"),
        pid=process.pid,
        created=process.create_time(),
        backend=backend if backend in _BACKENDS else None,
        backend_reason=str(said.get("backend_reason") or ""),
        load_s=_seconds(said.get("load_s")),
        warm_s=_seconds(said.get("warm_s")),
        rss_bytes=rss,
        peak_bytes=_number(told.get("peak_rss_bytes")),
    )


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of what it said; the last is perhaps still being written."""
    try:
        with path.open("rb") as file:
            lines = file.read(_SAID_LIMIT).split(b"\n")[:-1]
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            said = orjson.loads(line)
            if isinstance(said, dict):
                yield said


def _told(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Return the last event."""
    last: dict[str, Any] = {}
    for event in events:
        last = event
    return last


def _rss(process: psutil.Process) -> int | None:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else None  # type: ignore[arg-type]  # looked at above


def ask_to_end(spec: ReplicaSpec) -> bool:
    """Ask a model server to answer what it has and end; return whether it was there."""
    process = process_of(spec)
    if process is None:
        return False
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)  # a stopped one would never see it
    return True


def kill(spec: ReplicaSpec) -> None:
    """End a model server that did not end when it was asked."""
    process = process_of(spec)
    with contextlib.suppress(psutil.Error):
        if process is not None:
            process.kill()


def strays(home: Home, known: set[str]) -> list[psutil.Process]:
    """Return model servers of this home that nobody follows, and what they started.

    Those of an id that is not ``known``, and those whose record was never written because who
    started them was killed before it could: another one was started in their place.
    """
    noted = {one.id: process for one in records(home) if (process := process_of(one))}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            variables = process.environ()
            ours = variables.get("MLOPS_HOME") == str(home.root) and process.pid != os.getpid()
            if not ours or MARK not in variables:
                continue
            if variables[MARK] not in known or _unnoted(process, noted.get(variables[MARK])):
                found.append(process)
    return found


def _unnoted(process: psutil.Process, noted: psutil.Process | None) -> bool:
    age = age_s(process.pid)
    if age is None:
        age = time.time() - process.create_time()
    if age < _YOUNG_S or process == noted:
        return False
    return noted not in process.parents()


def tail(spec: ReplicaSpec, lines: int = 8, longest: int = 16 << 10) -> str:
    """Return the last lines of a replica's log, empty when there are none."""
    try:
        with Path(spec.log).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - longest))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


def tag(spec: ReplicaSpec, pid: int, created: float) -> None:
    """Tell the telemetry whose process it is; without that it has no owner there."""
    named = "".join("_" if letter.isspace() else letter for letter in spec.name)
    said = {
        "pid": pid,
        "started_at": created,
        "start": start_of(pid),
        "owner": f"replica:{named}:{spec.version}",
        "project": spec.project,
    }
    folder = Path(spec.home) / "run" / "processes"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        paths.publish(folder / f"{pid}.json", said)
