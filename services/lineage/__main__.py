"""Posts OpenLineage events: ``python -m services.lineage``, told what on its standard input.

It reads ``{"to", "private", "events"}`` and writes ``{"ok", "why", "blocked", "status"}``, both
JSON. It follows no redirects and uses no proxy, and every address it is about to reach is looked at
in that moment (``services.alerting.addresses``).
"""

import sys
from collections.abc import Sequence

import httpx
import orjson

from services.alerting import addresses
from services.lineage.openlineage import Event

_TIMEOUT_S = 10.0


def main() -> int:
    """Read, post, answer; 0 whenever there is an answer."""
    asked = orjson.loads(sys.stdin.buffer.read())
    refused = addresses.guard(private=bool(asked["private"]))
    sys.stdout.buffer.write(orjson.dumps(answer(asked["to"], asked["events"], refused)))
    return 0


def answer(to: str, events: Sequence[Event], refused: list[str]) -> dict[str, object]:
    """Return what became of events; ``refused`` is where the guard notes why."""
    try:
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            for event in events:
                said = client.post(to, json=event)
                if not said.is_success:
                    return _failed(_told(said), status=said.status_code)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        if refused:
            return _failed(refused[0], blocked=True)
        return _failed(str(error) or type(error).__name__)
    return {"ok": True, "why": "", "blocked": False, "status": 0}


def _told(said: httpx.Response) -> str:
    redirect = ", a redirect, which is not followed" if said.is_redirect else ""
    return f"it answered {said.status_code} {said.reason_phrase}{redirect}"


def _failed(why: str, *, blocked: bool = False, status: int = 0) -> dict[str, object]:
    return {"ok": False, "why": why, "blocked": blocked, "status": status}


if __name__ == "__main__":
    sys.exit(main())
