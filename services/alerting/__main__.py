"""Sends one notification: ``python -m services.alerting``, told what on its standard input.

A process of its own, so that a service that hangs can be ended, what an answer holds costs the
platform no memory, and the guard over addresses holds for whatever Apprise loads. It reads
``{"address", "title", "body", "severity", "private", "send", "post"}`` and writes ``{"ok", "why",
"blocked", "service"}``, both JSON. Nothing of it is in arguments or the environment. ``post`` is
null, or the ``{"body", "headers"}`` that a webhook gets in place of what Apprise makes of the rest.
"""

import contextlib
import json
import logging
import os
import re
import resource
import sys
from typing import Any

from services.alerting import addresses, words
from services.alerting.delivery import TIMEOUT_S, WEBHOOK, told

_MEMORY_BYTES = 2 << 30
_KINDS = {"info": "info", "warning": "warning", "critical": "failure", "resolved": "success"}
_FORBIDDEN = frozenset({"syslog", "deltachat", "deltachats"})
"""Services that write on this machine."""
_MAIL = frozenset({"mailto", "mailtos"})
_BETWEEN = 4
"""Characters that Apprise puts between title and text, at most."""
_ANSWERED = "Socket Exception: "
"""Before what a server answered, among what Apprise says for its developers alone."""


class _Heard(logging.Handler):
    """Keeps what Apprise says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.answers: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning, and what a server answered."""
        said = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.lines.append(said)
        elif said.startswith(_ANSWERED):
            self.answers.append(said.removeprefix(_ANSWERED))


def main() -> int:
    """Read, send, answer; 0 whenever there is an answer."""
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    asked, out = json.loads(sys.stdin.read()), sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no part of the answer
    refused = addresses.guard(private=bool(asked["private"]))
    json.dump(answer(asked, refused), out)
    return 0


def answer(asked: dict[str, Any], refused: list[str]) -> dict[str, object]:
    """Return what became of what was asked for; ``refused`` is where the guard notes why."""
    _follow_no_redirects()
    if asked["post"]:
        return _post(asked, refused)
    import apprise

    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    to, service = _service(asked["address"])
    if to is None:
        why = heard.lines[-1] if heard.lines else "Apprise knows no such service"
        return _answer(told(why, asked["address"]), blocked=True)
    heard.lines.clear()  # of what it was not
    names = to.schemas()
    if names & _FORBIDDEN:
        return _answer(f"{to.service_name} writes on this machine alone", blocked=True)
    if asked["send"]:
        kind = _KINDS.get(asked["severity"], "info")
        everyone = apprise.Apprise(to, asset=to.asset)
        # As text: what people named their runs is no markup of a service.
        done = everyone.notify(
            body=_fitted(asked, to), title=asked["title"], notify_type=kind, body_format="text"
        )
        if refused:
            return _answer(refused[0], blocked=True)
        if not done:
            # Of others they hold addresses, with secrets that may be written in another way.
            answers = heard.answers if names & _MAIL else []
            lines = "; ".join(dict.fromkeys((*answers, *heard.lines))) or "it said no"
            why = told(lines, asked["address"])
            sends_on = re.search(r"error=3\d\d", why)
            return _answer(f"{why}: it redirects, which is not followed" if sends_on else why)
    return _done(service)


def _fitted(asked: dict[str, Any], to: Any) -> str:  # noqa: ANN401 - Apprise's own
    """Return the text as the service takes it: one refuses what is too long, another cuts its end.

    An address may say itself what is to become of it (``?overflow=split``).
    """
    if to.overflow_mode != "upstream" or to.body_maxlen <= 0:
        return str(asked["body"])
    title = len(asked["title"]) + _BETWEEN if to.title_maxlen <= 0 else 0
    return words.fitted(asked["body"], to.body_maxlen - title)


def _post(asked: dict[str, Any], refused: list[str]) -> dict[str, object]:
    """Post a body as it is. Whatever else the answer holds, its status says whether it was taken.

    A certificate of one's own is trusted as ``SSL_CERT_FILE`` says, as by all other libraries.
    """
    import requests

    try:
        status = requests.post(
            asked["address"], asked["post"]["body"].encode(), headers=asked["post"]["headers"],
            timeout=TIMEOUT_S, allow_redirects=False, stream=True,
            verify=os.environ.get("SSL_CERT_FILE") or True,
        ).status_code  # fmt: skip
    except (OSError, ValueError) as error:
        if refused:
            return _answer(refused[0], blocked=True)
        return _answer(told(_reason(error), asked["address"]))
    if 200 <= status < 300:
        return _done(WEBHOOK)
    sends_on = ": it redirects, which is not followed" if 300 <= status < 400 else ""
    return _answer(f"it answered {status}{sends_on}")


def _reason(error: BaseException) -> str:
    """Return what was at the bottom of an error: libraries wrap it in theirs."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _done(service: str) -> dict[str, object]:
    return {"ok": True, "why": "", "blocked": False, "service": service}


def _answer(why: str, *, blocked: bool = False) -> dict[str, object]:
    return {"ok": False, "why": why, "blocked": blocked, "service": ""}


def _service(address: str) -> tuple[Any, str]:
    """Return what Apprise makes of an address, and the name of the service.

    A web address that it does not know is a webhook. One that was added before webhooks were
    signed has no secret, and gets Apprise's JSON as it did.
    """
    import apprise

    # Nothing is kept on the disk, and no plug-ins of the user's are loaded.
    asset = apprise.AppriseAsset(
        app_id="mlops", app_desc="MLOps platform", storage_mode="memory", http_redirects=False,
        async_mode=False,
    )  # fmt: skip
    found: Any = apprise.Apprise.instantiate(address, asset=asset)
    scheme, _, rest = address.partition("://")
    if found is None and scheme.lower() in {"http", "https"}:
        kind = {"http": "json", "https": "jsons"}[scheme.lower()]
        return apprise.Apprise.instantiate(f"{kind}://{rest}", asset=asset), WEBHOOK
    return found, max(found.schemas(), default="") if found else ""


def _follow_no_redirects() -> None:
    """Let no answer send us elsewhere, whatever an address says of redirects; and use no proxy."""
    import requests

    begin = requests.Session.__init__

    def init(self: requests.Session) -> None:
        begin(self)
        self.trust_env = False  # a proxy would connect for us, and see no guard
        self.max_redirects = 0

    def nowhere(_self: object, _answer: requests.Response) -> None:
        return None

    requests.Session.__init__ = init  # type: ignore[method-assign]  # of all that Apprise loads
    requests.Session.get_redirect_target = nowhere  # type: ignore[method-assign,assignment]  # the same


if __name__ == "__main__":
    sys.exit(main())
