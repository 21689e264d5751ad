"""``python -m mlops_client.serving``: serve one bundle until told to end."""

import argparse
import contextlib
import faulthandler
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from mlops_client.serving import memory
from mlops_client.serving.backends import BACKENDS
from mlops_client.serving.events import Events
from mlops_client.serving.frames import ColumnError
from mlops_client.serving.loading import LoadError, load
from mlops_client.serving.model import MAX_BATCH, Loaded
from mlops_client.serving.owner import MAX_WAIT_S, Owner
from mlops_client.serving.server import QUEUE, TOKEN, Server
from mlops_client.serving.validation import AnswerError
from mlops_client.serving.watching import Watch

logger = logging.getLogger("mlops_client.serving")
T = TypeVar("T")
_STUCK_S = 1.0
_SWITCH_S = 0.001
"""So long a predictor written in Python may keep callers from being read."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Load, warm up, listen; the main thread asks the model, another one talks to callers."""
    given = _arguments(arguments)
    events = Events()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    faulthandler.enable()
    sys.setswitchinterval(_SWITCH_S)
    if given.idle:
        os.nice(10)
    server = Server(given.socket, os.environ.pop(TOKEN, ""), given.queue)
    running: list[Owner] = []
    server.start()
    Watch(server.loop, lambda why: _end(server, running, why), given.parent_pid).start()
    began = time.perf_counter()
    try:
        loaded = _stage(events, "load", lambda: _load(given))
        load_s = time.perf_counter() - began
        warm_s = _stage(events, "warm-up", loaded.warm_up)
        memory.clear()
        owner = Owner(loaded, given.max_wait_ms / 1000, memory.clear)
        address = _stage(events, "bind", lambda: server.listen(owner))
    except LoadError:
        _exit(1)
    running.append(owner)
    events.ready(
        address=address,
        backend=loaded.backend,
        backend_reason=loaded.backend_reason,
        compiled=loaded.model.compiled,
        load_s=round(load_s, 4),
        warm_s=round(warm_s, 4),
        memory=memory.measured(),
    )
    owner.run()
    server.close()
    _exit(0)


def _load(given: argparse.Namespace) -> Loaded:
    return load(
        given.bundle,
        given.backend,
        memory_bytes=given.memory_bytes,
        max_batch=given.max_batch,
    )


def _stage(events: Events, stage: str, step: Callable[[], T]) -> T:
    """Return what a step of the start returns; what it raises is told, with the stage.

    Raises:
        LoadError: It failed, and that is said already.
    """
    try:
        return step()
    except LoadError as error:
        found = error
    except (AnswerError, ColumnError) as error:
        found = LoadError(
            f"The example is not answered as the bundle says: {error}",
            "The signature of the version and its code do not go together.",
        )
    except (Exception, SystemExit) as error:
        logger.exception("The %s failed.", stage)
        found = LoadError(
            f"The model fails when it is asked: {type(error).__name__}: {str(error)[:500]}",
            "What it printed is in the log of this replica.",
        )
    events.failed(stage, str(found), found.hint)
    raise found


def _end(server: Server, running: list[Owner], why: str) -> None:
    """End once what was asked is answered; at once when nothing could be asked yet."""
    logger.info("Ending, because %s.", why)
    if not running:
        _exit(0)
    server.drain(lambda: _stop(server, running[0]))


def _stop(server: Server, owner: Owner) -> None:
    owner.stop()
    server.loop.call_later(_STUCK_S, _exit, 0)  # a model that does not return holds up nothing


def _exit(code: int) -> NoReturn:
    """End without taking MLX apart, which on Linux may abort."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mlops_client.serving", description=__doc__)
    add = parser.add_argument
    add("--bundle", type=Path, required=True, help="folder with serving.json and model/")
    add("--socket", required=True, help=f"PATH, or tcp:HOST:PORT with a token in {TOKEN}")
    add("--backend", choices=BACKENDS, default="auto")
    add("--memory-bytes", type=int, default=0, help="what the process may use; 0: no limit")
    add("--max-batch", type=_positive, default=MAX_BATCH, help="most rows asked together")
    add("--max-wait-ms", type=float, default=MAX_WAIT_S * 1000, help="for more rows under load")
    add("--queue", type=_positive, default=QUEUE, help="most requests that wait")
    add("--parent-pid", type=int, help="end when this process does")
    add("--idle", action="store_true", help="give way to other processes (a shadow version)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


if __name__ == "__main__":
    main()
