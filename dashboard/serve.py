"""Serve the dashboard: ``python -m dashboard.serve --port 8501``. Health: ``/_stcore/health``."""

import argparse
import contextlib
import logging
import os
import secrets
import sys
import threading
import time
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit import runtime

from dashboard import full_reports, report_files, routes
from dashboard.security import SecurityHeaders
from dashboard.sign_on_answers import SignOnAnswers
from services.errors import PlatformError
from services.home import Home
from services.platform import sign_on

logger = logging.getLogger(__name__)

ENTRY = Path(__file__).resolve().parent / "app.py"
ROOT = ENTRY.parent.parent
_LOOK_S = 0.1


def say_it_went_wrong(error: Exception) -> bool:
    """Log a page's crash under a number and show a sentence in place of a traceback."""
    number = secrets.token_hex(3)
    logger.error("Page error %s", number, exc_info=error)
    st.error(
        f"This page ran into a fault of its own (number {number}). Nothing was changed by it. "
        f"The details are in the dashboard's log: `mlops logs dashboard`.",
        icon=":material/bug_report:",
    )
    return True


def build() -> st.App:
    """Return the ASGI application: pages, sign-in routes and security headers."""
    return st.App(
        ENTRY,
        routes=[*routes.ROUTES, *report_files.SHELF.routes, *full_reports.SHELF.routes],
        middleware=[Middleware(SecurityHeaders), Middleware(SignOnAnswers)],
        on_script_error=say_it_went_wrong,
    )


def prepare() -> None:
    """Read a large mirror before the first visitor asks: seconds at 100,000 runs."""
    while not runtime.exists():
        time.sleep(_LOOK_S)
    from dashboard import state  # its caches are Streamlit's, which must run first
    from services.telemetry.repeats import read_ahead

    state.mirror().prepare()
    with contextlib.suppress(PlatformError):  # whoever asks next is told
        read_ahead(state.mirror())


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m dashboard.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME")
    chosen = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Streamlit reads .streamlit/config.toml from the working directory and the rest of the command
    # line as its own.
    os.chdir(ROOT)
    sys.argv = sys.argv[:1]
    threading.Thread(target=prepare, daemon=True).start()
    build().run(
        config={
            "server.port": chosen.port,
            "server.address": chosen.host,
            "server.allowedHosts": ["localhost", "127.0.0.1", *chosen.allow_host],
            # Nowhere else: a secrets file in the sources ends up in git.
            "secrets.files": [str(sign_on.path(Home.locate()))],
        }
    )


if __name__ == "__main__":
    main()
