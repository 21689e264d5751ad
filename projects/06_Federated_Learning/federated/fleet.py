"""The clients' processes, seen from the coordinator: started fresh, never forked, and mortal."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from federated.wire import Decoder, Message, encode

_ROOT = Path(__file__).parents[1]
_PRIVATE = ("MLFLOW_", "MLOPS_")
_START_TIMEOUT_S = 60


class Client:
    """One client's process."""

    def __init__(self, shard: Path) -> None:
        self.samples = 0
        self._shard = shard
        self._start()

    def _start(self) -> None:
        # A client has no business with the tracking server's token.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_PRIVATE)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "federated.worker"],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("A client process was started without pipes.")
        self._input, self._output = self._process.stdin, self._process.stdout
        self._decoder = Decoder()
        self.tell(Message("shard", {"path": str(self._shard)}))

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    @property
    def output(self) -> int:
        """Return the descriptor its answers come from."""
        return self._output.fileno()

    def assign(self, shard: Path) -> None:
        """Give the client another shard, starting it again if it died."""
        self._shard = shard
        if not self.tell(Message("shard", {"path": str(shard)})):
            self.restart()

    def tell(self, message: Message) -> bool:
        """Send a message; False when the client is dead."""
        data = memoryview(encode(message))
        try:
            while data:
                data = data[self._input.write(data) or 0 :]
        except BrokenPipeError:
            return False
        return True

    def hear(self) -> list[Message] | None:
        """Return the messages that arrived; None when the client is dead."""
        data = os.read(self.output, 1 << 16)
        return self._decoder.feed(data) if data else None

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and give its pipes back."""
        self.kill()
        self._input.close()
        self._output.close()

    def restart(self) -> None:
        """Replace the process by a fresh one with the same shard."""
        self.close()
        self._start()


class Fleet:
    """All clients. Leaving the context ends every process."""

    def __init__(self, shards: list[Path], *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.clients = [Client(shard) for shard in shards]
        self._wait_until_ready(range(len(shards)))

    def __enter__(self) -> Self:
        """Return the fleet, its processes running."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process."""
        for client in self.clients:
            client.close()

    def assign(self, shards: list[Path]) -> None:
        """Give the first clients these shards."""
        for client, shard in zip(self.clients, shards, strict=False):
            client.assign(shard)
        self._wait_until_ready(range(len(shards)))

    def round(
        self, requests: Mapping[int, Message], *, victim: int | None = None
    ) -> dict[int, Message]:
        """Send each client its request and return the answers of those that lived to give one.

        `victim` is killed as soon as it has begun to train. A client that dies or is too slow is
        replaced by a fresh process before this returns.
        """
        waiting = {
            number for number, message in requests.items() if self.clients[number].tell(message)
        }
        lost = set(requests) - waiting
        answers: dict[int, Message] = {}
        deadline = time.monotonic() + self._timeout_s
        while waiting and (heard := self._hear(waiting, deadline)):
            for number, messages in heard.items():
                if messages is None or number == victim:
                    self.clients[number].kill()
                    lost.add(number)
                    waiting.discard(number)
                    continue
                for message in messages:
                    if message.kind == "trained":
                        answers[number] = message
                        waiting.discard(number)
        self._replace(lost | waiting)
        return answers

    def _hear(self, waiting: set[int], deadline: float) -> dict[int, list[Message] | None]:
        """Return what the waiting clients said; nothing when the time is over."""
        with selectors.DefaultSelector() as selector:
            for number in waiting:
                selector.register(self.clients[number].output, selectors.EVENT_READ, number)
            ready = selector.select(max(deadline - time.monotonic(), 0))
            return {key.data: self.clients[key.data].hear() for key, _ in ready}

    def _replace(self, numbers: set[int]) -> None:
        for number in numbers:
            self.clients[number].restart()
        self._wait_until_ready(numbers)

    def _wait_until_ready(self, numbers: Iterable[int]) -> None:
        waiting = set(numbers)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while waiting:
            heard = self._hear(waiting, deadline)
            if not heard or None in heard.values():
                raise RuntimeError("A client process did not start; its own message is above.")
            for number, messages in heard.items():
                for message in messages or ():
                    if message.kind == "ready":
                        self.clients[number].samples = message.fields["samples"]
                        waiting.discard(number)
