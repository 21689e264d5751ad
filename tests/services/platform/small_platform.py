"""A supervisor of one small engine in a process of its own: HOME PORT [FLAG …]."""

import logging
import sys
from pathlib import Path

from services.home import Home
from services.platform import supervisor
from services.platform.keeper import Pace
from tests.services.platform.conftest import small_spec

PACE = Pace(
    asked_starting_s=0.02, asked_live_s=0.05, looked_s=0.02, counted_s=0.05, first_wait_s=0.1
)


def specs(home, before):
    return (small_spec("small", int(sys.argv[2]), *sys.argv[3:]),)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    raise SystemExit(supervisor.run(Home(Path(sys.argv[1])), specs=specs, pace=PACE))
