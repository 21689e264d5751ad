"""``python -m mlops_client``: ``flush`` sends what waits, ``smoke FOLDER`` asks a stored model.

Both from a project's folder.
"""

import sys

from mlflow.exceptions import MlflowException

import mlops_client
from mlops_client.project import spool_folder
from mlops_client.spool import REFUSED

_USAGE = "usage: python -m mlops_client flush [--refused] | smoke FOLDER"


def main() -> int:
    """Run the command line."""
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "smoke":
        from mlops_client.smoke import main as smoke  # needs numpy, which sending does not

        return smoke(arguments[1])
    if arguments not in (["flush"], ["flush", "--refused"]):
        print(_USAGE, file=sys.stderr)  # noqa: T201
        return 2
    try:
        return _refused() if "--refused" in arguments else _waiting()
    except (MlflowException, LookupError, OSError) as error:
        print(f"Not sent: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _waiting() -> int:
    sent, left = mlops_client.flush()
    print(f"{sent} files sent, {left} still waiting in {spool_folder()}")  # noqa: T201
    return 1 if left else 0


def _refused() -> int:
    """Send what was refused; an upgrade of the server may have ended the cause."""
    taken, again = mlops_client.send_refused()
    if not taken and not again:
        print(f"Nothing that was refused is in {spool_folder() / REFUSED}.")  # noqa: T201
        return 0
    told = f"; {spool_folder() / REFUSED} says why" if again else ""
    print(f"{taken} calls are taken now, {again} are refused again{told}.")  # noqa: T201
    return 1 if again else 0


if __name__ == "__main__":
    sys.exit(main())
