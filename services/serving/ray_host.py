"""Ray in a process of its own: ``python -m services.serving.ray_host``, started by ``cluster``.

Told in JSON lines on standard input which replicas are wanted, it keeps one actor for each: the
actor reserves the replica's memory in Ray and starts its model server, or takes over one that
lives. It says in JSON lines on standard output how they are. When Ray falls it ends, and is started
anew; the model servers go on answering meanwhile.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO

import psutil

from services.serving import replicas, server_process
from services.serving.replicas import ReplicaSpec

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

MEMORY = "unified_memory_mb"
"""The resource of Ray that replicas reserve."""
_MB = 1 << 20
_TURN_S = 0.2
_SAY_S = 1.0
_SCARCE_S = 5.0
"""After so long without a place it is said what is missing."""
_TRIES = 5
_OBJECTS_BYTES = 80 * _MB
"""Nothing goes through Ray's object store; it takes no less."""
_HEADS = ("gcs_server", "raylet")


@dataclass(slots=True)
class _Held:
    """One actor."""

    spec: ReplicaSpec
    actor: Any
    waits_for: Any
    """What it is to say next: that its model server runs, later that it ended."""
    since: float
    state: str = "placing"
    said: str = ""
    hint: str = ""


@dataclass(slots=True)
class Wanted:
    """What the parent said last; written by one thread, read by another."""

    specs: Mapping[str, ReplicaSpec] = field(default_factory=dict)
    ended: bool = False


class Host:
    """The actors of this process."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._held: dict[str, _Held] = {}
        self._heads: list[psutil.Process] = []
        self._node = ""
        self._total = 0.0
        self._falls: dict[str, int] = {}
        """How often in a row the actor of a replica ended before it said anything."""
        self._remote: Any = None

    def start(self) -> None:
        """Start Ray, or join the cluster that is named."""
        import ray

        config = self._config
        if config["address"]:
            ray.init(
                address=config["address"], namespace="mlops", log_to_driver=False,
                configure_logging=False,
            )  # fmt: skip
        else:
            ray.init(
                include_dashboard=False,
                num_cpus=1,
                num_gpus=0,
                resources={MEMORY: config["memory_mb"]},
                object_store_memory=_OBJECTS_BYTES,
                namespace="mlops",
                log_to_driver=False,
                configure_logging=False,
                _temp_dir=config["temp"],
            )
        self._node = ray.get_runtime_context().get_node_id()
        self._total = self._total_mb()
        children = psutil.Process().children()
        self._heads = [one for one in children if one.name() in _HEADS]
        self._remote = ray.remote(ReplicaActor)

    def _total_mb(self) -> float:
        """Return what this machine has of the resource that replicas reserve."""
        import ray

        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        mine = [one["Resources"] for one in nodes if one["NodeID"] == self._node]
        return float(mine[0].get(MEMORY, 0.0)) if mine else 0.0

    def fallen(self) -> str:
        """Return which part of our own Ray ended, empty when none did."""
        gone = [one for one in self._heads if not _runs(one)]
        return f"{gone[0].pid} of Ray ended" if gone else ""

    def turn(self, wanted: Mapping[str, ReplicaSpec]) -> None:
        """Bring the actors in line with what is wanted; waits a moment for news."""
        import ray

        for name in self._held.keys() - wanted.keys():
            self._falls.pop(name, None)
            if (actor := self._held.pop(name).actor) is not None:
                ray.kill(actor)
        for name, spec in wanted.items():
            if name not in self._held:
                self._held[name] = self._place(spec)
        waiting = {one.waits_for: one for one in self._held.values() if one.waits_for is not None}
        if not waiting:
            time.sleep(_TURN_S)
            return
        done, _ = ray.wait(list(waiting), num_returns=1, timeout=_TURN_S)
        for ref in done:
            self._hear(waiting[ref], ref)
        self._look_for_scarcity()

    def _place(self, spec: ReplicaSpec) -> _Held:
        needed = megabytes(spec.memory_bytes)
        if needed > self._total:
            said = f"Ray has {self._total:.0f} MB of {MEMORY} here in all; it reserves {needed} MB."
            hint = "Nodes of a cluster of your own name the resource when they start."
            return _Held(spec, None, None, time.monotonic(), "failed", said, hint)
        actor = self._remote.options(
            num_cpus=0,
            resources={MEMORY: megabytes(spec.memory_bytes)},
            max_restarts=0,
            scheduling_strategy=self._here(),
        ).remote()
        return _Held(spec, actor, actor.begin.remote(spec.as_json()), time.monotonic())

    def _here(self) -> "NodeAffinitySchedulingStrategy":
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # The gateway reaches model servers by sockets of this machine.
        return NodeAffinitySchedulingStrategy(self._node, soft=False)

    def _hear(self, held: _Held, ref: "ObjectRef[Any]") -> None:
        import ray
        from ray.exceptions import RayError

        try:
            answer = ray.get(ref, timeout=5)
        except RayError as error:
            # Its actor died; the next one takes over the model server, if that still lives.
            self._lose(held, str(error).partition("\n")[0])
            return
        self._falls.pop(held.spec.id, None)
        if answer.get("said") is not None:
            held.state, held.said, held.hint = "failed", answer["said"], answer["hint"]
            held.waits_for = None
        elif held.state == "placing":
            held.state, held.said = "running", ""
            held.waits_for = held.actor.watch.remote(held.spec.as_json())
        else:
            held.state, held.waits_for = "ended", None

    def _lose(self, held: _Held, why: str) -> None:
        name = held.spec.id
        self._falls[name] = self._falls.get(name, 0) + 1
        if self._falls[name] < _TRIES:
            del self._held[name]
            return
        held.state, held.waits_for = "failed", None
        held.said, held.hint = f"Its actor ends again and again: {why}", "See the log of serving."

    def _look_for_scarcity(self) -> None:
        import ray

        now = time.monotonic()
        late = [
            one for one in self._held.values()
            if one.state == "placing" and now - one.since > _SCARCE_S
        ]  # fmt: skip
        if not late:
            return
        known: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        free = known.get(MEMORY, 0.0)
        for one in late:
            needed = megabytes(one.spec.memory_bytes)
            if needed > free:
                one.said = f"Ray has {free:.0f} MB of unified memory left, it reserves {needed} MB."

    def said(self) -> dict[str, Any]:
        """Return how all replicas are."""
        return {
            name: {"state": one.state, "said": one.said, "hint": one.hint}
            for name, one in self._held.items()
        }


def megabytes(count: int) -> int:
    """Return bytes as Ray's resource counts them, rounded up."""
    return -(-count // _MB)


class ReplicaActor:
    """Holds a replica's memory in Ray, starts its model server and waits for its end."""

    def begin(self, said: dict[str, Any]) -> dict[str, Any]:
        """Start it; return its process id, or why it cannot be started."""
        spec = ReplicaSpec.from_json(said)
        try:
            return {"pid": server_process.begin(spec, server_process.verify_bundle)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to a person
            return server_process.said(error)

    def watch(self, said: dict[str, Any]) -> dict[str, Any]:
        """Return when the model server ended."""
        spec = ReplicaSpec.from_json(said)
        while replicas.process_of(spec) is not None:
            time.sleep(_TURN_S)
        return {}


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _listen(source: BinaryIO, wanted: Wanted) -> None:
    """Follow what the parent says; its end is ours."""
    for line in source:
        specs = [ReplicaSpec.from_json(one) for one in json.loads(line)]
        wanted.specs = {one.id: one for one in specs}
    wanted.ended = True


def _own_output() -> BinaryIO:
    """Return where the parent listens; what Ray prints goes where errors go."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "wb", buffering=0)


def main() -> int:
    """Run until told to stop or until Ray falls."""
    output = _own_output()
    source = sys.stdin.buffer
    config = json.loads(source.readline())
    wanted = Wanted()

    def end(_number: int, _frame: FrameType | None) -> None:
        wanted.ended = True

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host = Host(config)
    host.start()
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_listen, args=(source, wanted), daemon=True).start()
    try:
        return _run(host, wanted, output)
    finally:
        import ray

        ray.shutdown()


def _run(host: Host, wanted: Wanted, output: BinaryIO) -> int:
    told: tuple[float, dict[str, Any]] = (0.0, {})
    while not wanted.ended:
        if fault := host.fallen():
            with contextlib.suppress(OSError):
                output.write(json.dumps({"fault": fault}).encode() + b"\n")
            os._exit(3)  # without its head Ray's own end would wait for long
        host.turn(dict(wanted.specs))
        said = host.said()
        if said != told[1] or time.monotonic() - told[0] > _SAY_S:
            told = time.monotonic(), said
            try:
                output.write(json.dumps({"replicas": said}).encode() + b"\n")
            except BrokenPipeError:  # the engine is gone
                return 0
    return 0


if __name__ == "__main__":
    # Under its own name, so that the workers of Ray find the actor in it.
    from services.serving import ray_host

    code = ray_host.main()
    os._exit(code)  # its other thread still listens
