"""Clients on other machines, seen from the coordinator: they come by TCP, prove the token, may die.

Offers what `fleet.Fleet` offers to `rounds.run`. Who dies is missed for the rest of its round; when
it comes back it takes part again. The link is authenticated, not encrypted: over an open network it
needs a tunnel.
"""

import hmac
import secrets
import selectors
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from federated.wire import Decoder, Message, encode

_HELLO_S = 5.0
_LONGEST_HELLO = 4096
_PIECE = 1 << 16


def proof(token: str, nonce: str, number: int) -> str:
    """Return what shows that a client knows the token, without telling it."""
    return hmac.new(token.encode(), f"{nonce}:{number}".encode(), "sha256").hexdigest()


def address_of(text: str) -> tuple[str, int]:
    """Return (host, port) of ``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise SystemExit(f"{text!r} is no address; MLOPS_FEDERATED_ADDRESS is HOST:PORT.")
    return host, int(port)


@dataclass(slots=True)
class Seat:
    """One client's place, taken while `link` is there."""

    samples: int = 0
    link: socket.socket | None = None
    decoder: Decoder = field(default_factory=Decoder)

    def tell(self, message: Message) -> bool:
        """Send a message; False when nobody is there to hear it."""
        if self.link is None:
            return False
        try:
            self.link.sendall(encode(message))
        except OSError:
            self.leave()
        return self.link is not None

    def hear(self) -> list[Message]:
        """Return the messages that arrived; the client is gone when it sent what is none."""
        try:
            data = self.link.recv(_PIECE) if self.link else b""
            messages = self.decoder.feed(data) if data else []
        except (OSError, ValueError, KeyError, TypeError):
            data, messages = b"", []
        if not data:
            self.leave()
        return messages

    def leave(self) -> None:
        """Give the place free."""
        if self.link is not None:
            self.link.close()
        self.link, self.decoder = None, Decoder()


class RemoteFleet:
    """The clients that have joined. Leaving the context tells them that all is done."""

    def __init__(
        self,
        address: tuple[str, int],
        token: str,
        clients: int,
        recipe: Mapping[str, Any],
        *,
        timeout_s: float,
        patience_s: float = 120.0,
    ) -> None:
        self.clients = [Seat() for _ in range(clients)]
        self._token = token
        self._recipe = recipe
        self._timeout_s = timeout_s
        host = address[0] if address[0] in {"127.0.0.1", "localhost"} else ""
        self._door = socket.create_server((host, address[1]))
        self._door.settimeout(0)
        self._gather(patience_s)

    @property
    def here(self) -> list[int]:
        """Return the numbers of the clients that are there."""
        return [number for number, seat in enumerate(self.clients) if seat.link is not None]

    def __enter__(self) -> Self:
        """Return the fleet, its clients there."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell every client that all is done, unless it is not."""
        for seat in self.clients:
            if kind is None:
                seat.tell(Message("done"))
            seat.leave()
        self._door.close()

    def assign(self, _shards: object) -> None:
        """Clients on other machines hold their own images; there is nothing to give them."""

    def round(
        self, requests: Mapping[int, Message], *, victim: int | None = None
    ) -> dict[int, Message]:
        """Send each client its request and return the answers of those that lived to give one."""
        self._let_in()
        waiting = {number for number, sent in requests.items() if self.clients[number].tell(sent)}
        if victim in waiting:
            self.clients[victim].leave()
            waiting.discard(victim)
        answers: dict[int, Message] = {}
        deadline = time.monotonic() + self._timeout_s
        while waiting and time.monotonic() < deadline:
            for number, messages in self._heard(waiting, deadline).items():
                for message in messages:
                    if message.kind == "trained":
                        answers[number] = message
                if number in answers or self.clients[number].link is None:
                    waiting.discard(number)
        for number in waiting:  # too slow: what it sends later would be taken for another round's
            self.clients[number].leave()
        return answers

    def _heard(self, numbers: set[int], deadline: float) -> dict[int, list[Message]]:
        with selectors.DefaultSelector() as selector:
            for number in numbers:
                link = self.clients[number].link
                if link is not None:
                    selector.register(link, selectors.EVENT_READ, number)
            ready = selector.select(max(deadline - time.monotonic(), 0))
            return {key.data: self.clients[key.data].hear() for key, _ in ready}

    def _gather(self, patience_s: float) -> None:
        """Wait for all clients; begin with those that are there when patience is over."""
        deadline = time.monotonic() + patience_s
        while len(self.here) < len(self.clients) and time.monotonic() < deadline:
            self._let_in()
            time.sleep(0.05)
        if not self.here:
            self._door.close()
            raise SystemExit(f"No client joined within {patience_s:g} s; see the clients' logs.")

    def _let_in(self) -> None:
        while True:
            try:
                link, _ = self._door.accept()
            except BlockingIOError:
                return
            self._greet(link)

    def _greet(self, link: socket.socket) -> None:
        link.settimeout(_HELLO_S)
        nonce = secrets.token_hex(16)
        try:
            link.sendall(encode(Message("nonce", {"nonce": nonce})))
            number = self._proven(_first(link), nonce)
            if number is None:
                link.close()
                return
            link.sendall(encode(Message("recipe", {**self._recipe, "number": number})))
            ready = _first(link)
            samples = int(ready.fields["samples"]) if ready is not None else 0
        except (OSError, ValueError, KeyError, TypeError):
            link.close()
            return
        link.settimeout(self._timeout_s)
        self.clients[number].leave()
        self.clients[number] = Seat(samples, link)
        print(f"Client {number} joined with {samples} images.", flush=True)

    def _proven(self, hello: Message | None, nonce: str) -> int | None:
        if hello is None:
            return None
        number = int(hello.fields["number"])
        wanted = proof(self._token, nonce, number)
        right = hmac.compare_digest(wanted, str(hello.fields["proof"]))
        return number if right and 0 <= number < len(self.clients) else None


def _first(link: socket.socket) -> Message | None:
    """Return the first message of a link, None when it ends or says too much without one."""
    decoder, taken = Decoder(), 0
    while taken < _LONGEST_HELLO:
        data = link.recv(_LONGEST_HELLO)
        taken += len(data)
        if not data:
            return None
        if messages := decoder.feed(data):
            return messages[0]
    return None
