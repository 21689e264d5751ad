"""``python -m mlops_client flush``: send what waits, from a project's folder."""

import sys

from mlflow.exceptions import MlflowException

import mlops_client
from mlops_client.project import spool_folder


def main() -> int:
    """Run the command line."""
    if sys.argv[1:] != ["flush"]:
        print("usage: python -m mlops_client flush", file=sys.stderr)  # noqa: T201
        return 2
    try:
        sent, left = mlops_client.flush()
    except (MlflowException, LookupError, OSError) as error:
        print(f"Not sent: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{sent} files sent, {left} still waiting in {spool_folder()}")  # noqa: T201
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
