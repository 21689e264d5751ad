"""The process ``python -m services.predictions``: has the prediction log put into Parquet.

While a rollout guards drift it also has the answers of two versions compared (``comparing``).

Started by the supervisor, told everything by arguments. While it is away nothing is lost: the
segments wait, and readers read them.
"""

import argparse
import logging
import signal
import sys
import threading
from types import FrameType

from services.errors import PlatformError
from services.home import Home
from services.predictions.worker import Worker
from services.predictions.working import DAYS, INTERVAL_S, Working
from services.telemetry.folder import lock
from services.telemetry.heartbeat import Heartbeat

logger = logging.getLogger("services.predictions")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.predictions", description=__doc__)
    parser.add_argument("--days", type=float, default=DAYS, help="how long predictions are kept")
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds")
    return parser.parse_args()


def main() -> int:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asked = _arguments()
    home = Home.locate()
    home.create()
    try:
        said = f"Another process works on the predictions of {home.root} already."
        lock(home.run / "predictions.lock", said)
    except PlatformError as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log
        return 1
    except OSError as error:  # a full disk; the files have a lock of their own
        logger.warning("Whether another process works here is not known: %s.", error.strerror)
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    heartbeat = Heartbeat(home.run / "predictions.json")
    working, comparing = Working(home, asked.days), Worker(home)

    def beat() -> None:
        heartbeat.beat(working.said)
        comparing.turn()  # also while a large backlog is put into Parquet

    try:
        while not ended.is_set():
            working.turn(beat, ended)
            ended.wait(asked.interval)
    finally:
        comparing.end()
        heartbeat.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
