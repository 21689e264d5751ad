"""The process around the application: sockets, uvicorn, and what runs beside the requests."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn

from services.errors import PlatformError
from services.gateway import connection
from services.gateway.apart import Readers
from services.gateway.app import App, allowed_hosts
from services.gateway.asking import Asker
from services.gateway.connection import BoundedConnection
from services.gateway.counts import Counts
from services.gateway.following import LOOK_S, Follower
from services.gateway.gateway import Gateway
from services.gateway.keys import KeyRing
from services.gateway.limits import Limits
from services.gateway.logs import AccessLog
from services.gateway.recording import Recorder
from services.gateway.shadows import Shadows
from services.home import Home
from services.serving import figures
from services.serving.wire import Pool

logger = logging.getLogger(__name__)

DRAIN_S = 10
KEEP_ALIVE_S = 75
FIGURES_S = 1.0
_TELL_S, _SWEEP_S = 0.05, 1.0
_FILES = 16_384
_BACKLOG = 1024
LOOPBACK = "127.0.0.1"


def build(home: Home, keys: KeyRing, recorder: Recorder) -> Gateway:
    """Return a gateway that nobody asks yet."""
    pool, counts = Pool(), Counts()
    follower = Follower(home)
    gateway = Gateway(
        home=home, follower=follower, pool=pool, counts=counts, limits=Limits(), keys=keys,
        asker=Asker(home, follower, pool, counts), recorder=recorder,
        shadows=Shadows(pool, counts, recorder), readers=Readers(),
    )  # fmt: skip
    follower.changed = gateway.changed
    return gateway


def sockets(listen: str, port: int) -> list[socket.socket]:
    """Return listening sockets; this machine's own loopback is always among them.

    Raises:
        PlatformError: The port is taken, or the address is none of this machine.
    """
    addresses = [listen]
    if listen not in {LOOPBACK, "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        addresses.append(LOOPBACK)
    found: list[socket.socket] = []
    try:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = socket.socket(family, socket.SOCK_STREAM)
            found.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            made.setblocking(False)  # noqa: FBT003 - its only argument
    except OSError as error:
        for made in found:
            made.close()
        raise PlatformError(
            f"The gateway cannot listen at {address}:{port} ({error.strerror or error}).",
            "Choose another MLOPS_GATEWAY_PORT, or an address of this machine.",
        ) from error
    return found


def raise_file_limit() -> None:
    """Allow as many connections as the system lets us: macOS begins with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server(uvicorn.Server):
    """Uvicorn, told by us when to end; the signal ends the process well, not by itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT begin the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


async def serve(
    gateway: Gateway, listening: list[socket.socket], listen: str, hosts: tuple[str, ...]
) -> None:
    """Answer requests until told to end; what is under way then has ten seconds."""
    log = AccessLog()
    app = App(gateway, allowed_hosts(listen, hosts), log)
    config = uvicorn.Config(
        app, http=BoundedConnection, ws="none", lifespan="off", interface="asgi3",
        log_config=None, access_log=False, server_header=False, date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=DRAIN_S, backlog=_BACKLOG,
        proxy_headers=False,
    )  # fmt: skip
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    server = Server(config)
    gateway.follower.look()
    log.start()
    beside = [
        asyncio.create_task(_forever(LOOK_S, gateway.follower.look)),
        asyncio.create_task(_forever(_TELL_S, _Teller(gateway).turn)),
        asyncio.create_task(_forever(_SWEEP_S, partial(_sweep, server))),
    ]
    try:
        await server.serve(sockets=listening)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await gateway.shadows.close()
        await gateway.readers.close()
        gateway.pool.close()
        _write(gateway)
        log.stop()


async def _forever(every_s: float, turn: Callable[[], object]) -> None:
    """Do something again and again; a bug in it is told and does not end it."""
    while True:
        try:
            turn()
        except Exception:  # a bug here must not end the answering; it is in the log each time
            logger.exception("beside the requests")
        await asyncio.sleep(every_s)


class _Teller:
    """Writes the figures each second, and at once after the routes changed."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._serial, self._at = -1, 0.0

    def turn(self) -> None:
        gateway, now = self._gateway, time.monotonic()
        if now - self._at < FIGURES_S and gateway.follower.routes.serial == self._serial:
            return
        self._serial, self._at = gateway.follower.routes.serial, now
        _write(gateway)
        gateway.counts.forget(gateway.follower.routes)
        gateway.pool.keep(gateway.replicas())


def _write(gateway: Gateway) -> None:
    try:
        figures.write(gateway.home, gateway.counts.figures(gateway.follower.routes.serial))
    except OSError as error:
        logger.warning("The gateway's figures cannot be written: %s", error)


def _sweep(server: uvicorn.Server) -> None:
    connection.sweep(server.server_state.connections, time.monotonic())


def run(gateway: Gateway, listen: str, port: int, hosts: tuple[str, ...] = ()) -> None:
    """Serve in this thread until SIGTERM or SIGINT.

    Raises:
        PlatformError: It cannot listen there.
    """
    raise_file_limit()
    listening = sockets(listen, port)
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(serve(gateway, listening, listen, hosts))
    finally:
        for one in listening:
            one.close()


def _loop() -> asyncio.AbstractEventLoop:
    if sys.platform != "win32":
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop()
    return asyncio.new_event_loop()
