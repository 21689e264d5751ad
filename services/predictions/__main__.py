"""The process ``python -m services.predictions``: puts the prediction log into Parquet.

Started by the supervisor, told everything by arguments. While it is away nothing is lost: the
segments wait, and readers read them.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

from services.errors import PlatformError
from services.home import Home
from services.predictions.compaction import Compactor, Done
from services.telemetry.heartbeat import Heartbeat

logger = logging.getLogger("services.predictions")

DAYS = 90.0
INTERVAL_S = 2.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.predictions", description=__doc__)
    parser.add_argument("--days", type=float, default=DAYS, help="how long predictions are kept")
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds")
    return parser.parse_args()


class Working:
    """Compacts again and again, and says how it goes."""

    def __init__(self, compactor: Compactor, heartbeat: Heartbeat) -> None:
        self._compactor = compactor
        self._heartbeat = heartbeat
        self._total = Done()
        self._trouble = ""

    def turn(self) -> None:
        """Do what there is to do."""
        try:
            done = self._compactor.run(time.time(), self.beat)
            self._trouble = ""
        except PlatformError as error:
            if str(error) != self._trouble:
                logger.warning("%s", error)
            self._trouble = str(error)
        else:
            self._total.segments += done.segments
            self._total.predictions += done.predictions
            if done.segments or done.merged or done.removed:
                logger.info("%s", done)
        self.beat()

    def beat(self) -> None:
        """Say that it is well, or what is not."""
        waiting = self._compactor.waiting
        well = (
            f"{self._total.predictions:,} predictions of {self._total.segments:,} segments put "
            f"into Parquet; {waiting} open"
        )
        self._heartbeat.beat(self._trouble or well)


def main() -> int:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asked = _arguments()
    home = Home.locate()
    home.create()
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    os.nice(5)  # whoever answers predictions goes first
    try:
        compactor = Compactor(home, asked.days)
    except PlatformError as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log
        return 1
    heartbeat = Heartbeat(home.run / "predictions.json")
    working = Working(compactor, heartbeat)
    try:
        while True:
            working.turn()
            if ended.wait(asked.interval):
                return 0
    finally:
        heartbeat.end()
        compactor.close()


if __name__ == "__main__":
    sys.exit(main())
