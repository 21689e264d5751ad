"""A client's process: reads its own shard, trains when asked, answers with weights.

It speaks with the coordinator alone, through its standard input and output.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from federated.data import Digits, read_shard
from federated.local import Work, train
from federated.wire import Decoder, Message, encode


def messages() -> Iterator[Message]:
    """Yield what the coordinator says until it closes the pipe."""
    decoder = Decoder()
    while data := os.read(sys.stdin.fileno(), 1 << 16):
        yield from decoder.feed(data)


def say(message: Message) -> None:
    """Send a message to the coordinator."""
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def answer(digits: Digits, message: Message) -> Message:
    """Train one round and return the new weights."""
    fields = message.fields
    weights, loss = train(dict(message.arrays), digits, Work(**fields["work"]), fields["seed"])
    return Message("trained", {"round": fields["round"], "loss": loss}, weights)


def main() -> None:
    digits: Digits | None = None
    for message in messages():
        if message.kind == "shard":
            digits = read_shard(Path(message.fields["path"]))
            say(Message("ready", {"samples": len(digits)}))
        elif digits is not None:
            say(Message("started", {"round": message.fields["round"]}))
            say(answer(digits, message))


if __name__ == "__main__":
    main()
