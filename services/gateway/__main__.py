"""The gateway process: ``python -m services.gateway --port N``, started by the supervisor."""

import argparse
import contextlib
import logging
import sys
from functools import partial

from services.actions.journal import Journal
from services.errors import MlopsError
from services.gateway import server
from services.gateway.keys import KeyRing
from services.gateway.recording import Recorder
from services.home import Home
from services.serving import store
from services.settings import Settings

logger = logging.getLogger("services.gateway")


def main(arguments: list[str] | None = None) -> int:
    """Answer requests until told to end; 1 when it cannot begin."""
    settings = Settings()
    parser = argparse.ArgumentParser(prog="python -m services.gateway", description=__doc__)
    parser.add_argument("--port", type=int, default=settings.gateway_port)
    parser.add_argument("--listen", default=settings.gateway_listen)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    home = Home.locate()
    home.create()
    try:
        with contextlib.ExitStack() as stack:
            _run(stack, home, settings, given.listen, given.port)
    except MlopsError as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log
        return 1
    return 0


def _run(
    stack: contextlib.ExitStack, home: Home, settings: Settings, listen: str, port: int
) -> None:
    from services.gateway.machine import Machine
    from services.predictions.log import PredictionLog

    journal = Journal.open(settings)
    stack.callback(journal.close)
    log = PredictionLog.open(home, writer="gateway")
    stack.callback(log.close)
    machine = Machine(home)
    stack.callback(machine.stop)
    machine.start()
    keys = KeyRing(partial(store.keys, journal), journal.path)
    stack.callback(keys.stop)
    keys.start()
    gateway = server.build(home, keys, Recorder(log, machine))
    server.run(gateway, listen, port, settings.gateway_hosts)


if __name__ == "__main__":
    sys.exit(main())
