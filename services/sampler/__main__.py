"""The sampler process: ``python -m services.sampler``, started by the supervisor.

It stays small (settings come as arguments, not from pydantic): it runs for ever on every machine.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from types import FrameType

from services.engines.command import run
from services.engines.silicon.chain import Host
from services.engines.silicon.commands import gpu_times
from services.engines.silicon.uses import Uses
from services.errors import EngineError, MlopsError, PlatformError
from services.home import Home
from services.platform.files import write_text
from services.sampler.presence import Presence
from services.sampler.sampler import Sampler
from services.sampler.serving import Server
from services.telemetry.folder import Retention
from services.telemetry.store import Store

logger = logging.getLogger("services.sampler")

_REPORT_SIZE = 2048
_DETAIL_LIMIT = 600


def gpu_seconds() -> dict[int, float]:
    """Return the GPU seconds of each process of a Mac; nothing when it does not tell them."""
    arguments = ("ioreg", "-r", "-d", "1", "-w", "0", "-c", "AGXDeviceUserClient")
    try:
        return gpu_times(run(arguments, 3.0).decode(errors="replace"))
    except EngineError:
        return {}


def beat(home: Home, sampler: Sampler) -> None:
    """Write how it goes; on a full disk over the last report, which takes no room."""
    detail = sampler.detail()[:_DETAIL_LIMIT]
    report = json.dumps({"pid": os.getpid(), "at": time.time(), "detail": detail})
    path = home.run / "telemetry.json"
    try:
        write_text(path, report.ljust(_REPORT_SIZE), durable=False)
    except PlatformError:
        with contextlib.suppress(OSError), path.open("r+b") as file:
            file.write(report.ljust(_REPORT_SIZE).encode())


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return what the supervisor asks for."""
    parser = argparse.ArgumentParser(prog="services.sampler", description=__doc__)
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two samples")
    parser.add_argument("--listen", default="127.0.0.1", help="address of the HTTP part")
    parser.add_argument("--port", type=int, default=0, help="its port; 0: no HTTP part")
    keep = Retention()
    parser.add_argument("--keep", type=float, nargs=4, metavar="DAYS", default=(
        keep.full_days, keep.process_days, keep.minute_days, keep.days))  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asked = arguments(argv)
    home = Home.locate()
    home.create()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_end, ended))
    try:
        return _run(home, asked, ended)
    except MlopsError as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log, the traceback says nothing
        return 1


def _run(home: Home, asked: argparse.Namespace, ended: threading.Event) -> int:
    store = Store(home.telemetry, keep=Retention(*asked.keep))
    host = Host.here(home.root)
    uses = Uses(gpu_seconds if host.machine.apple_silicon else None)
    sampler = Sampler(host, store, uses, Presence(home.run).tags)
    with Server(store, asked.listen, asked.port) if asked.port else contextlib.nullcontext():
        try:
            sampler.run(asked.interval, ended, partial(beat, home, sampler))
        finally:
            host.close()
            store.close()
            (home.run / "telemetry.json").unlink(missing_ok=True)
    return 0


def _end(ended: threading.Event, _number: int, _frame: FrameType | None) -> None:
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
