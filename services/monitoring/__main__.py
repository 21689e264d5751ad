"""The process ``python -m services.monitoring``: one round of checks, then it ends.

A line of JSON a verdict. It is a process of its own because what it loads (DuckDB, SciPy) is not to
stay in a process that runs for weeks; whoever wants it each hour starts it each hour.
"""

import argparse
import json
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import psutil

from services.errors import MlopsError
from services.home import Home
from services.monitoring import checking, deployed, told
from services.monitoring.checking import COMMAND_LINE, Asked, Round, Say
from services.monitoring.models import Baseline
from services.monitoring.told import Told
from services.process_identity import start_of

KINDS = ("auto", "evaluation", "first", "season")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.monitoring", description=__doc__)
    parser.add_argument("deployment", nargs="*", help="PROJECT.MODEL; all when none is named")
    parser.add_argument("--baseline", choices=KINDS, help="in place of what was chosen")
    parser.add_argument("--weeks", type=int, default=4, help="of the baseline season")
    report = parser.add_argument_group("Evidently's report; else where it is worth its seconds")
    report.add_argument("--report", action=argparse.BooleanOptionalAction)
    parser.add_argument("--by", default=COMMAND_LINE, help="who has it made")
    parser.add_argument("--wait", type=float, default=0.0, metavar="S", help="for another check")
    parser.add_argument(
        "--unless-younger", type=float, metavar="S", help="nothing is done if one began by then"
    )
    parser.add_argument("--tell", type=Path, metavar="FILE", help="where it tells how far it is")
    return parser.parse_args()


def main() -> int:
    """Check, and say what came of it; 1 when a check failed."""
    given = _arguments()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    home = Home.locate()
    home.create()
    baseline = None if given.baseline is None else Baseline(given.baseline, weeks=given.weeks)
    asked = Asked(
        tuple(given.deployment), baseline, given.report, given.by, given.wait, given.unless_younger
    )
    own = psutil.Process()
    me = Told(
        own.pid, own.create_time(), "it begins", tick=time.monotonic(), start=start_of(own.pid)
    )
    try:
        came = checking.run(home, asked, _teller(given.tell, me))
    except MlopsError as error:
        _end(given.tell, replace(me, said="", done=True, error=error.message, hint=error.hint))
        sys.stderr.write(f"{error}\n")
        return 1
    except ValueError as error:  # of settings: pydantic's and TOML's
        said = f"The settings cannot be used: {error}."
        _end(given.tell, replace(me, said="", done=True, error=said))
        sys.stderr.write(f"{said}\n")
        return 1
    lines = tuple(
        line for one, each in came.checked.items() for line in deployed.documents(one, each)
    )
    _end(given.tell, replace(me, said=came.said, done=True, lines=lines))
    return _print(came, lines, sys.stdout)


def _print(came: Round, lines: tuple[dict[str, object], ...], out: TextIO) -> int:
    for line in lines:
        out.write(json.dumps(line) + "\n")
    return int(bool(came.failed))


def _teller(file: Path | None, me: Told) -> Say:
    def say(said: str) -> None:
        if file is not None:
            told.write(file, replace(me, said=said))

    say(me.said)
    return say


def _end(file: Path | None, last: Told) -> None:
    if file is None:
        return
    try:
        told.write(file, last)
    except MlopsError as error:  # whoever waits sees that the process is gone, and reads this
        sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    sys.exit(main())
