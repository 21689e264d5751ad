"""A program that prints one line after another: only the newest counts."""

import contextlib
import subprocess
import threading
import time
from typing import IO

from services.errors import EngineMissingError, EngineUnreachableError

_LINE_LIMIT = 1 << 20


class Stream:
    """Runs a program and keeps its newest whole line; a thread reads, so that no pipe fills up."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        """Start it.

        Raises:
            EngineMissingError: There is no such program.
        """
        self._name = arguments[0]
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise EngineMissingError(
                f"The program {self._name} cannot be run ({error.strerror or error})."
            ) from error
        self._line = b""
        self._at = 0.0
        self._news = threading.Condition()
        self._over = False
        self._thread = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=self._name, daemon=True
        )
        self._thread.start()

    def newest(self, within_s: float) -> bytes:
        """Return the newest line, waiting for one when the last is older than ``within_s``.

        Raises:
            EngineUnreachableError: The program ended, or printed nothing for so long.
        """
        deadline = time.monotonic() + within_s
        with self._news:
            while not self._over:
                if self._line and time.monotonic() - self._at <= within_s:
                    return self._line
                left = deadline - time.monotonic()
                if left <= 0:
                    raise EngineUnreachableError(
                        f"{self._name} has printed nothing for {within_s:g} s."
                    )
                self._news.wait(left)
        raise EngineUnreachableError(f"{self._name} ended with {self._process.poll()}.")

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(2.0)

    def _read(self, output: IO[bytes] | None) -> None:
        with output or contextlib.nullcontext() as lines:
            while lines is not None and (line := lines.readline(_LINE_LIMIT)):
                if line.endswith(b"\n") and not line.isspace():
                    with self._news:
                        self._line, self._at = line, time.monotonic()
                        self._news.notify_all()
        self._process.wait()
        with self._news:
            self._over = True
            self._news.notify_all()
