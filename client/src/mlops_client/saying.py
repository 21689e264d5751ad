"""What a person must hear while a training runs."""

import sys


def warn(sentence: str) -> None:
    """Say something on stderr, where the output of training does not drown it."""
    print(f"mlops: {sentence}", file=sys.stderr, flush=True)  # noqa: T201
