"""Makes reports: ``python -m services.reports make`` or ``due``, started by who must not wait.

``make`` reads a wish as JSON from its standard input; ``due`` makes what schedules say is due now.
Exit 0: done; 1: a sentence says what went wrong.
"""

import argparse
import os
import sys
import time

from services.errors import MlopsError
from services.home import Home
from services.reports import making, schedules
from services.reports.making import Wish

_NICE = 10
"""Whoever trains, serves or answers people goes first."""


def main(arguments: list[str] | None = None) -> int:
    """Do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.reports", description=__doc__)
    parser.add_argument("what", choices=("make", "due"))
    what = parser.parse_args(arguments).what
    os.nice(_NICE)
    home = Home.locate()
    return _make(home) if what == "make" else _due(home)


def _make(home: Home) -> int:
    wish = Wish.from_json(sys.stdin.read())
    try:
        making.make(home, wish)
    except MlopsError as error:
        making.note_fault(home, wish.name, error)
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _due(home: Home) -> int:
    try:
        made = schedules.make_due(home, time.time())
    except MlopsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for one in made:
        sys.stdout.write(f"{one.schedule}: {one.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
