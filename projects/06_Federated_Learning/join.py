"""A client of a federation over the network: trains on its own images when the server asks.

``MLOPS_FEDERATED_ADDRESS`` and ``MLOPS_FEDERATED_TOKEN`` say whom to join, ``MLOPS_CLIENT`` which
share of the digits is this client's own. It leaves when the server says that all is done.
"""

import argparse
import os
import socket
import time
from collections.abc import Iterator

from federated.data import Digits, load
from federated.network import address_of, proof
from federated.wire import Decoder, Message, encode
from federated.worker import answer
from train import shares

_PATIENCE_S = 120.0
_PIECE = 1 << 16


def connect(address: tuple[str, int]) -> socket.socket:
    """Return a link to the server, which may come up later than its clients."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            link = socket.create_connection(address, timeout=5)
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"No server at {address[0]}:{address[1]}: {error}.") from error
            time.sleep(0.3)
        else:
            link.settimeout(None)
            return link


def messages(link: socket.socket) -> Iterator[Message]:
    """Yield what the server says until it closes the link."""
    decoder = Decoder()
    while data := link.recv(_PIECE):
        yield from decoder.feed(data)


def own_share(fields: dict[str, float]) -> Digits:
    """Return this client's images: nobody sends them, they are drawn where they are used."""
    train = load()["train"]
    options = argparse.Namespace(alpha=float(fields["alpha"]), clients=int(fields["clients"]))
    rows = shares(train, int(fields["seed"]), options)[int(fields["number"])]
    return Digits(train.images[rows], train.labels[rows])


def main() -> None:
    number = int(os.environ.get("MLOPS_CLIENT", "0"))
    token = os.environ["MLOPS_FEDERATED_TOKEN"]
    digits: Digits | None = None
    rounds = 0
    with connect(address_of(os.environ.get("MLOPS_FEDERATED_ADDRESS", ""))) as link:
        for message in messages(link):
            if message.kind == "nonce":
                shown = proof(token, str(message.fields["nonce"]), number)
                link.sendall(encode(Message("hello", {"number": number, "proof": shown})))
            elif message.kind == "recipe":
                digits = own_share(dict(message.fields))
                link.sendall(encode(Message("ready", {"samples": len(digits)})))
                print(f"Client {number} joined with {len(digits)} images.", flush=True)
            elif message.kind == "train" and digits is not None:
                link.sendall(encode(answer(digits, message)))
                rounds += 1
            elif message.kind == "done":
                print(f"Client {number} trained {rounds} rounds; all is done.", flush=True)
                return
    raise SystemExit(f"The server closed the link to client {number} before all was done.")


if __name__ == "__main__":
    main()
