"""Open-loop load over HTTP: requests leave when they are due, whether earlier ones are back or not.

A request's time counts from when it was due, so a stall is not hidden by what was not sent during
it. For servers on this machine alone: plain HTTP/1.1 over as many connections as it takes.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Seen:
    """What came of a load. Times: seconds of ``time.time``, durations in ms."""

    statuses: Counter[int] = field(default_factory=Counter)
    """Of answers; 0: there was none."""
    versions: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    """Of answers with 200."""
    faults: list[str] = field(default_factory=list)
    """The first few that were not answered with 200, as text."""
    _last: float = 0.0
    longest_gap_ms: float = 0.0
    """Between two answers with 200, whichever requests they were of."""
    gap_at: float = 0.0

    @property
    def asked(self) -> int:
        """Return the number of requests."""
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """Return how many were not answered with 200."""
        return self.asked - self.statuses[200]

    def quantile(self, share: float) -> float:
        """Return a quantile of the times of answers; NaN without any."""
        ordered = sorted(self.latencies_ms)
        return (
            ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
        )

    def note(self, status: int, version: str, due: float, said: str) -> None:
        """Count one request."""
        now = time.time()
        self.statuses[status] += 1
        if status != 200:
            if len(self.faults) < 20:
                self.faults.append(f"{status} {said[:200]}")
            return
        self.versions[version] += 1
        self.latencies_ms.append((now - due) * 1000)
        if self._last and (now - self._last) * 1000 > self.longest_gap_ms:
            self.longest_gap_ms, self.gap_at = (now - self._last) * 1000, now
        self._last = now


@dataclass
class Load:
    """One address that is asked the same again and again."""

    url: str
    body: bytes
    headers: dict[str, str]
    seen: Seen = field(default_factory=Seen)
    longest_s: float = 60.0

    def __post_init__(self) -> None:
        """Put the request together once."""
        parts = urlsplit(self.url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        told = {
            "Host": parts.netloc, "Content-Type": "application/json",
            "Content-Length": str(len(self.body)), **self.headers,
        }  # fmt: skip
        lines = [f"POST {parts.path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items()), "", ""]
        self._request = "\r\n".join(lines).encode() + self.body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def run(
        self, rate_per_s: float, until: asyncio.Event | None = None, most: int = 10**9
    ) -> None:
        """Ask at a steady rate until the event is set or so many were asked."""
        began, number = time.time(), 0
        tasks: set[asyncio.Task[None]] = set()
        while number < most and not (until and until.is_set()):
            due = began + number / rate_per_s
            wait = due - time.time()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._one(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        if tasks:
            await asyncio.wait(tasks)
        for _, writer in self._idle:
            writer.close()

    async def _one(self, due: float) -> None:
        try:
            async with asyncio.timeout(self.longest_s):
                status, version, said = await self._answer()
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            status, version, said = 0, "", f"{type(error).__name__}: {error}"
        self.seen.note(status, version, due, said)

    async def _answer(self) -> tuple[int, str, str]:
        while self._idle:
            link = self._idle.pop()
            try:
                return await self._on(link)
            except asyncio.IncompleteReadError as error:
                # An idle connection that the server closed meanwhile: as every client does, ask
                # again on another one. One that broke within an answer is a fault.
                if error.partial or not link[0].at_eof():
                    raise
        return await self._on(await asyncio.open_connection(self._host, self._port))

    async def _on(
        self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> tuple[int, str, str]:
        reader, writer = link
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        lines = head.split("\r\n")
        told = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        said = await reader.readexactly(int(told["content-length"]))
        if told.get("connection") == "close":
            writer.close()
        else:
            self._idle.append(link)
        return int(lines[0].split(" ")[1]), told.get("x-model-version", ""), said.decode()


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Return two aligned columns."""
    wide = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{wide}}  {value}" for name, value in rows)
