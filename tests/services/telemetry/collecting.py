"""A telemetry server of this process, for the tests of both ends."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.telemetry import tokens
from services.telemetry.intake import Intake
from services.telemetry.latest import Latest
from services.telemetry.server import Address, Server
from services.telemetry.store import Store
from services.telemetry.tokens import Tokens

OWN = "collector"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Collecting:
    folder: Path
    port: int
    store: Store
    latest: Latest
    intake: Intake
    server: Server
    unwell: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, name: str) -> str:
        return tokens.make(self.folder / "agents", name)

    def kept(self, host: str) -> tuple[datetime, ...]:
        """Return the times of all samples of a machine, as a reader finds them."""
        start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        reader = Store(self.folder / "telemetry")
        return tuple(one.at for one in reader.samples(host, start, end))


@contextlib.contextmanager
def collecting(
    folder: Path, *, port: int | None = None, store: Store | None = None, **address: object
) -> Iterator[Collecting]:
    """Listen; close everything at the end."""
    kept = store or Store(folder / "telemetry", merge_in_background=False)
    latest = Latest()
    intake = Intake(kept, latest, Tokens(folder / "agents"), OWN)
    unwell: list[str] = []
    chosen = port or free_port()
    server = Server(
        Address(chosen, **address),
        latest,
        intake,
        lambda: " ".join(unwell),  # type: ignore[arg-type]
    )
    server.start()
    try:
        assert server.listening.wait(10) or server.problem
        yield Collecting(folder, chosen, kept, latest, intake, server, unwell)
    finally:
        server.stop()
        kept.close()
