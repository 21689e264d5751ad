"""A real Postgres of the tests' own: made, started and stopped here, on loopback, by password."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.commands.testing import postgres_programs

USER = "mlops"
PASSWORD = "pass/word @1"  # as hard for a URL as one may be
_IN_URL = "pass%2Fword%20%401"
_SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=32MB",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "max_connections=300",  # tests that kill processes leave theirs open until they end
)
_START_S = 60.0


class MissingPostgresError(Exception):
    """There is no Postgres on this machine, or nobody who may run it."""


def _identity() -> dict[str, int | list[int]]:
    """Return as whom to run it: Postgres refuses to be root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise MissingPostgresError("Postgres does not run as root, and there is no other user.")


@dataclass
class Cluster:
    """One server with as many databases as wanted."""

    programs: Path
    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def make(self) -> None:
        identity = _identity()
        if identity:
            os.chown(self.folder, identity["user"], identity["group"])  # type: ignore[arg-type]
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if identity:
            os.chown(password, identity["user"], identity["group"])  # type: ignore[arg-type]
        subprocess.run(
            [
                self.programs / "initdb", "--pgdata", self.folder / "data", "--username", USER,
                "--pwfile", password, "--auth", "scram-sha-256", "--encoding", "UTF8",
                "--locale", "C", "--no-sync",
            ],
            check=True, capture_output=True, cwd=self.folder, timeout=120, **identity,
        )  # fmt: skip
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]

    def start(self) -> None:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.programs / "postgres", "-D", self.folder / "data",
                    "-p", str(self.port), *settings,
                ],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **_identity(),
            )  # fmt: skip
        end = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                self.execute("SELECT 1")
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, "Postgres did not start in time"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": ends the sessions, leaves no mess
            self._process.wait(_START_S)
            self._process = None

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser, outside everything under test.

        Raises:
            ConnectionError: The server does not answer.
        """
        import psycopg

        try:
            connection = psycopg.connect(
                host="127.0.0.1", port=self.port, dbname=database,
                user=USER, password=PASSWORD, autocommit=True, connect_timeout=5,
            )  # fmt: skip
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error
        with contextlib.closing(connection):
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def terminate_sessions(self, database: str) -> int:
        """End every connection to a database, as an administrator would."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        return len(self.execute(f"{query}'{database}'"))

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{_IN_URL}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Yield the name of an empty database."""
        name = f"t{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Yield a running server, gone afterwards."""
    programs = postgres_programs()
    if programs is None:
        raise MissingPostgresError("There is no Postgres: `./mlops test` says how to get one.")
    # Not pytest's folder: that one is closed to the user the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="mlops-postgres-"))
    made = Cluster(programs, folder)
    try:
        made.make()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
