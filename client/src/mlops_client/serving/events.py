"""Events on standard output, a JSON line each, for whoever started the model server."""

import json
import os
import sys
from typing import Any


class Events:
    """Keeps standard output to itself: whatever else the process prints goes to standard error."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._handle = os.dup(1)
        os.dup2(2, 1)

    def ready(self, **told: Any) -> None:  # noqa: ANN401 - what JSON takes
        """Say that requests are answered now."""
        self._say({"event": "ready", "pid": os.getpid(), **told})

    def failed(self, stage: str, reason: str, hint: str = "") -> None:
        """Say why there will be no answers; stage is load, warm-up or bind."""
        self._say({"event": "failed", "stage": stage, "reason": reason, "hint": hint})

    def _say(self, event: dict[str, Any]) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            os.write(self._handle, line)
        except OSError as error:  # nobody listens any more: serving goes on
            print(f"The event {event['event']} was not taken: {error}", file=sys.stderr)  # noqa: T201
