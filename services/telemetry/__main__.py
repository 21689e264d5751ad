"""The sampler process: ``python -m services.telemetry``, started by the supervisor.

It is told everything by arguments: to read the settings would cost it a quarter of its memory.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from services.errors import PlatformError
from services.home import Home
from services.telemetry.folder import Retention, lock
from services.telemetry.sampler import Sampler
from services.telemetry.sampling import INTERVAL_S
from services.telemetry.server import LOOPBACK, Address

logger = logging.getLogger("services.telemetry")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.telemetry", description=__doc__)
    keep = Retention()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--listen", default=LOOPBACK, help="another address beside loopback")
    parser.add_argument("--certificate", type=Path, help="for TLS, with --key")
    parser.add_argument("--key", type=Path)
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds")
    parser.add_argument(
        "--keep", type=float, nargs=4, metavar="DAYS",
        default=[keep.full_days, keep.process_days, keep.minute_days, keep.days],
        help="of samples, processes, minutes, and the rest",
    )  # fmt: skip
    return parser.parse_args()


def main() -> int:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asked = _arguments()
    home = Home.locate()
    home.create()
    try:
        lock(home.run / "telemetry.lock", f"Another sampler works for {home.root} already.")
    except PlatformError as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log
        return 1
    except OSError as error:  # a full disk; the store has locks of its own
        logger.warning("Whether another sampler works here is not known: %s.", error.strerror)
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    address = Address(asked.port, asked.listen, asked.certificate, asked.key)
    sampler = Sampler(home, address, interval_s=asked.interval, keep=Retention(*asked.keep))
    sampler.run(ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
