"""What Airflow's tasks call: ``python -m services.workflows STEP --project ID --input JSON``.

The answer is written to the file that ``MLOPS_ANSWER`` names, else printed. What a person reads in
the task's log is printed. Exit 0: done; 1: a sentence says what went wrong; 2: wrong usage.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from services.errors import MlopsError
from services.home import Home
from services.workflows.steps import STEPS, desk


def main(arguments: list[str] | None = None) -> int:
    """Do one step and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.workflows", description=__doc__)
    parser.add_argument("step", choices=list(STEPS))
    parser.add_argument("--project", required=True)
    parser.add_argument("--input", type=_object, default={}, help="what earlier tasks answered")
    given = parser.parse_args(arguments)
    try:
        home = Home.locate()
        answer = STEPS[given.step](desk(home, given.project), given.input)
    except MlopsError as error:
        print(f"Error: {error}", flush=True)  # noqa: T201 - the task's log
        return 1
    except ValueError as error:  # of settings: pydantic's and TOML's
        print(f"Error: The settings cannot be used: {error}.", flush=True)  # noqa: T201
        return 1
    return _tell(answer)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("it is not a JSON object")
    return found


def _tell(answer: dict[str, Any]) -> int:
    named = os.environ.get("MLOPS_ANSWER")
    if answer.get("said"):
        print(answer["said"], flush=True)  # noqa: T201 - the task's log
    text = json.dumps(answer)
    if named is None:
        print(text)  # noqa: T201 - its answer
        return 0
    try:
        Path(named).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"Error: {named} could not be written: {error}.")  # noqa: T201 - the task's log
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
