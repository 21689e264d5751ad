"""Asking a version: which one, which of its model servers, again when one was lost."""

import asyncio
import contextlib
import hashlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from services.errors import EngineProtocolError
from services.gateway.contract import Prepared
from services.gateway.counts import Count, Counts
from services.gateway.following import Follower
from services.gateway.problems import Problem, bad
from services.home import Home
from services.serving import paths
from services.serving.frames import Answer, Piece
from services.serving.routes import Replica, Route, VersionRoute
from services.serving.turns import PER_REPLICA, Turn, waiting
from services.serving.wire import AnswerError, BrokenError, Client, Pool

HELD = 4096
"""Requests that wait for a model server, over all endpoints: some seconds of a busy one's."""
HELD_BYTES = 256 << 20
"""What they hold in memory."""
_WISH_AGAIN_S = 1.0
_MS = 1000.0
_TRIES_OF_ONE = 3


@dataclass(slots=True)
class Question:
    """What somebody asks of an endpoint."""

    name: str
    prepare: Callable[[VersionRoute], Prepared]
    """Holds the request against a version's schema."""
    deadline: float
    """Of the monotonic clock."""
    pinned: int | None = None
    """The version that was named."""
    pinned_by: str = ""
    """Where."""
    session: str = ""
    """Whose requests go to one version while the shares stay."""
    point: float = field(default_factory=random.random)
    """Where it stands among the shares."""
    loaded: VersionRoute | None = None
    """The version that was chosen last."""
    prepared: Prepared | None = None
    retried: int = 0
    lost: list[str] = field(default_factory=list)
    """Replicas that were lost while they had it."""

    def __post_init__(self) -> None:
        """Let a session decide where it stands."""
        if self.session:
            said = hashlib.blake2b(f"{self.name}\0{self.session}".encode(), digest_size=8)
            self.point = int.from_bytes(said.digest()) / 2**64

    @property
    def left_ms(self) -> float:
        """Return how long it may still take."""
        return max(0.0, (self.deadline - time.monotonic()) * _MS)

    @property
    def size(self) -> int:
        """Return the bytes of what is asked."""
        return sum(len(one.data) for one in self.prepared.inputs) if self.prepared else 0

    def settle(self, loaded: VersionRoute) -> Prepared:
        """Take a version; prepare for it unless that was done."""
        if self.prepared is None or self.loaded is None or loaded.info is not self.loaded.info:
            self.loaded = loaded
            self.prepared = self.prepare(loaded)
        self.loaded = loaded
        return self.prepared


def chosen(route: Route, question: Question) -> VersionRoute:
    """Return the version that a question is for.

    Raises:
        Problem: It names one that is not loaded.
    """
    if question.pinned is not None:
        found = route.versions.get(question.pinned)
        if found is None:
            raise Problem(
                "not-found",
                f"{route.name} has no version {question.pinned} in service; it has "
                f"{', '.join(map(str, sorted(route.versions)))}.", field=question.pinned_by,
            )  # fmt: skip
        return found
    up_to = 0.0
    for version, share in sorted(route.shares.items()):
        up_to += share
        if question.point < up_to and version in route.versions:
            return route.versions[version]
    found = route.versions.get(route.primary)
    if found is None:
        raise Problem("away", f"{route.name} has no version in service now.", retry_after_s=1)
    return found


class Asker:
    """Asks model servers for everybody."""

    def __init__(self, home: Home, follower: Follower, pool: Pool, counts: Counts) -> None:
        self._home = home
        self._follower = follower
        self._pool = pool
        self._counts = counts
        self._held = 0
        self._held_bytes = 0
        self._unserved: Counter[str] = Counter()
        """How many wait, by endpoint, with no server that can be reached."""
        self._wished: set[str] = set()
        """Endpoints that were wished for within a second."""

    async def ask(self, question: Question) -> Answer:
        """Return a version's answer; ``question.loaded`` says which version it is of.

        Raises:
            Problem: The model refused or failed, or no model server was there in time.
        """
        failed: Client | None = None
        while True:
            count, client = await self._client(question, failed)
            prepared = question.prepared
            assert prepared is not None  # noqa: S101 - _client settles it
            try:
                with count.running(), _in_time(question):
                    async with asyncio.timeout_at(_loop_time(question.deadline)):
                        return await client.ask(
                            prepared.inputs, prepared.parameters, question.left_ms
                        )
            except BrokenError as error:
                failed = client
                self._lost(question, count, client, error)
                await asyncio.sleep(0)

    async def stream(self, question: Question) -> AsyncGenerator[Piece]:
        """Yield a version's answer as it comes; asked again only while nothing came.

        Raises:
            Problem: The model refused or failed, or no model server was there in time.
        """
        failed: Client | None = None
        begun = False
        while True:
            count, client = await self._client(question, failed)
            prepared = question.prepared
            assert prepared is not None  # noqa: S101 - _client settles it
            pieces = client.stream(prepared.inputs, prepared.parameters, question.left_ms)
            try:
                with count.running(), _in_time(question):
                    async for piece in _until(pieces, question.deadline):
                        begun = True
                        yield piece
            except BrokenError as error:
                if begun:
                    raise Problem(
                        "model", "The model server was lost halfway.", status=502
                    ) from error
                failed = client
                self._lost(question, count, client, error)
            else:
                return
            finally:
                await pieces.aclose()

    def _lost(self, question: Question, count: Count, client: Client, error: BrokenError) -> None:
        """Note a lost model server; what two of them had is not asked a third time."""
        self._follower.look()
        if not error.sent:
            return
        # A server that is being killed may take a connection a moment longer: it counts once.
        question.lost.append(client.replica.id)
        if len(set(question.lost)) > 1 or len(question.lost) > _TRIES_OF_ONE:
            raise Problem(
                "model", "Two model servers were lost while they had this request.", status=502
            ) from error
        question.retried += 1
        count.retries += 1

    async def _client(self, question: Question, failed: Client | None) -> tuple[Count, Client]:
        """Return a model server to ask, when there is one."""
        while True:
            route = self._follower.route(question.name)
            if route is None:
                raise Problem("not-found", f"There is no endpoint {question.name!r} any more.")
            loaded = chosen(route, question)
            replicas = loaded.replicas
            client = self._pool.choose(replicas, failed)
            if client is None and question.pinned is None:
                # The live version answers for one that was chosen by share and has no server.
                primary = route.versions.get(route.primary, loaded)
                if primary is not loaded:
                    client = self._pool.choose(primary.replicas)
                    replicas = (*replicas, *primary.replicas)
                    loaded = loaded if client is None else primary
            question.settle(loaded)
            count = self._counts.of(route.name, loaded.version, route.project)
            if client is not None and client.load < PER_REPLICA:
                return count, client
            with count.running(), count.waiting():
                await self._hold(question, route, replicas, client)

    async def _hold(
        self, question: Question, route: Route, replicas: Sequence[Replica], full: Client | None
    ) -> None:
        """Wait for one's turn at a model server, or for other routes.

        Whoever lets in has room, and ``Pool.choose`` of these replicas then finds some.
        """
        left = question.deadline - time.monotonic()
        if left <= 0 and full is not None:
            raise Problem(
                "busy", f"All model servers of {route.name} had {PER_REPLICA} requests each.",
                retry_after_s=1,
            )  # fmt: skip
        if left <= 0:
            raise Problem(
                "away", f"No model server of {route.name} was there in time.", retry_after_s=2
            )
        size = question.size
        if self._held >= HELD or self._held_bytes + size > HELD_BYTES:
            raise Problem(
                "busy", f"{self._held} requests wait for model servers already.", retry_after_s=2
            )
        turn: Turn = asyncio.get_running_loop().create_future()
        servers = [self._pool.of(replica).turns for replica in replicas]
        self._held += 1
        self._held_bytes += size
        self._unserved[route.name] += full is None
        try:
            self._wish(route.name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    with self._follower.telling(turn), waiting(turn, servers):
                        await turn
        finally:
            self._held -= 1
            self._held_bytes -= size
            self._unserved[route.name] -= full is None

    def _wish(self, name: str) -> None:
        """Ask the serving engine to wake an idle endpoint, each second while somebody waits."""
        if name in self._wished or not self._unserved[name]:
            return
        self._wished.add(name)
        asyncio.get_running_loop().call_later(_WISH_AGAIN_S, self._wish_again, name)
        route = self._follower.route(name)
        if route is not None and (
            route.idle or not any(one.replicas for one in route.versions.values())
        ):
            with contextlib.suppress(OSError):  # wished again in a second
                (paths.wake(self._home) / name).touch()

    def _wish_again(self, name: str) -> None:
        self._wished.discard(name)
        self._wish(name)


@contextlib.contextmanager
def _in_time(question: Question) -> Iterator[None]:
    """Say what a model server said, as a problem."""
    loaded = question.loaded
    name = question.name if loaded is None else f"{question.name} version {loaded.version}"
    try:
        yield
    except TimeoutError as error:
        raise Problem("deadline", f"{name} did not answer in time.") from error
    except AnswerError as error:
        raise refused(error) from error
    except EngineProtocolError as error:
        raise Problem("model", error.message, status=502) from error


def refused(error: AnswerError) -> Problem:
    """Return what an error of a model server means for who asked."""
    if error.code == "input":
        return bad(error.message, error.field)
    if error.code == "busy":
        return Problem("busy", error.message, retry_after_s=1)
    if error.code == "deadline":
        return Problem("deadline", error.message)
    return Problem("model", error.message)


def _loop_time(deadline: float) -> float:
    """Return a time of the monotonic clock as the event loop counts (both do alike, or nearly)."""
    return asyncio.get_running_loop().time() + deadline - time.monotonic()


async def _until(pieces: AsyncGenerator[Piece], deadline: float) -> AsyncGenerator[Piece]:
    """Yield pieces until the deadline.

    Raises:
        TimeoutError: It passed.
    """
    ends = _loop_time(deadline)
    while True:
        async with asyncio.timeout_at(ends):
            piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece
