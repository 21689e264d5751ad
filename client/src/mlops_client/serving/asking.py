"""A caller of a model server, one request at a time: for tests, benchmarks and a look by hand."""

import itertools
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from mlops_client.serving.frames import Columns, Parser, frame, packed, unpacked


class AskError(Exception):
    """The server answered with an error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.kind = error.get("kind")
        self.field = error.get("field")


class Caller:
    """One connection."""

    def __init__(self, address: str, token: str = "", timeout_s: float = 60.0) -> None:
        """Connect to ``unix:PATH`` or ``tcp:HOST:PORT``.

        Raises:
            OSError: Nobody listens there.
            AskError: The token is wrong.
        """
        self._parser = Parser()
        self._numbers = itertools.count(1)
        if address.startswith("tcp:"):
            host, _, port = address.removeprefix("tcp:").rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout_s)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout_s)
            self.socket.connect(address.removeprefix("unix:"))
        if token:
            self.ask("hello", token=token)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, op: str, columns: Mapping[str, np.ndarray] | None = None, **more: Any) -> int:  # noqa: ANN401 - what JSON takes
        """Send a request; return its number."""
        number = next(self._numbers)
        told, body = packed(columns or {})
        self.socket.sendall(frame({"id": number, "op": op, "inputs": told, **more}, body))
        return number

    def frames(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield what comes.

        Raises:
            ConnectionError: The server closed the connection.
        """
        while True:
            data = self.socket.recv(1 << 18)
            if not data:
                raise ConnectionResetError("The model server closed the connection.")
            yield from self._parser.feed(data)

    def ask(
        self,
        op: str,
        columns: Mapping[str, np.ndarray] | None = None,
        **more: Any,  # noqa: ANN401 - what JSON takes
    ) -> tuple[dict[str, Any], bytes]:
        """Return the header and the body of an answer.

        Raises:
            AskError: The answer is an error.
            ConnectionError: There is none.
        """
        self.send(op, columns, **more)
        header, body = next(self.frames())
        if not header["ok"]:
            raise AskError(header["error"])
        return header, body

    def infer(self, columns: Mapping[str, np.ndarray], **more: Any) -> Columns:  # noqa: ANN401
        """Return the answer's columns.

        Raises:
            AskError: The answer is an error.
            ConnectionError: There is none.
        """
        header, body = self.ask("infer", columns, **more)
        return unpacked(header["outputs"], body)

    def stream(self, prompt: str, **parameters: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        """Yield the headers of a stream, the last one too.

        Raises:
            AskError: The stream ended with an error.
            ConnectionError: It did not end.
        """
        text = np.array([prompt], dtype=object)
        self.send("stream", {"text": text}, parameters=parameters)
        for header, _ in self.frames():
            if not header["ok"]:
                raise AskError(header["error"])
            yield header
            if header["last"]:
                return
