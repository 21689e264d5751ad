"""The process ``python -m services.engines.evidently QUESTION.json``: one report, then it ends.

It prints one JSON document (``wire.ReportWire``); what the library prints goes to stderr.
"""

import contextlib
import os
import sys
from pathlib import Path

_POLITE = 10


def main() -> int:
    """Answer the question of the file that is named."""
    os.environ.update(DO_NOT_TRACK="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    os.nice(_POLITE)
    from services.engines.evidently.wire import QuestionWire

    asked = QuestionWire.model_validate_json(Path(sys.argv[1]).read_bytes()).to_model()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            from services.engines.evidently import reporting
        except ImportError as error:
            sys.stderr.write(f"Evidently is not installed here, or a part of it: {error}.\n")
            return 1
        made = reporting.write(asked)
    sys.stdout.write(made.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
