"""Who waits for a model server: woken once, in the order of asking, and never in vain."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.gateway.asking import Asker, Question
from services.gateway.contract import Prepared
from services.gateway.counts import Counts
from services.gateway.following import Follower
from services.gateway.problems import Problem
from services.home import Home
from services.serving import paths
from services.serving.frames import Answer
from services.serving.models import BundleInfo
from services.serving.routes import Replica, Route, Routes, VersionRoute
from services.serving.turns import PER_REPLICA
from services.serving.wire import BrokenError, Client, Pool

Ask = Callable[[Client], Awaitable[Answer]]


class Followed(Follower):
    """Routes from memory; counts how often somebody looks what to do."""

    looked = 0

    def route(self, name: str) -> Route | None:
        self.looked += 1
        return super().route(name)


class Servers:
    """An asker over model servers that do what a test says."""

    def __init__(self, home: Home, number: int, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        async def asked(client: Client, *_: object) -> Answer:
            client.in_flight += 1
            try:
                return await ask(client)
            finally:
                client._done()

        monkeypatch.setattr(Client, "ask", asked)
        self.replicas = tuple(Replica(f"r{one}", f"unix:/{one}") for one in range(number))
        self.pool, self.follower = Pool(), Followed(home)
        self.clients = [self.pool.of(one) for one in self.replicas]
        self.follower.routes = Routes(1, {"p.m": self.route(self.replicas)})
        self.asker = Asker(home, self.follower, self.pool, Counts())

    def route(self, replicas: tuple[Replica, ...], *, idle: bool = False) -> Route:
        info = BundleInfo("p", "m", 1, "rows", "onnx", (), ())
        found = {1: VersionRoute(1, info, "cpu", "", replicas)}
        return Route("p.m", "p", "m", 1, {1: 1.0}, found, idle=idle)

    def fill(self) -> None:
        for one in self.clients:
            one.in_flight = PER_REPLICA

    def ask(self, deadline_s: float = 30.0) -> "asyncio.Task[Answer]":
        deadline = time.monotonic() + deadline_s
        question = Question("p.m", lambda _: Prepared((), 1, {}), deadline)
        return asyncio.create_task(self.asker.ask(question))

    def clean(self) -> bool:
        """Whether nothing is left of anybody."""
        return not self.follower._waiting and all(
            (one.load, len(one.turns._waiting)) == (0, 0) for one in self.clients
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.create()
    paths.wake(made).mkdir(parents=True, exist_ok=True)
    return made


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(30):
            await work()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, within()).result()


async def at_once(_: Client) -> Answer:
    return Answer()


def test_who_waits_for_room_is_woken_once_and_in_turn(home: Home, monkeypatch):
    answered: list[int] = []

    async def work() -> None:
        servers = Servers(home, 2, at_once, monkeypatch)
        servers.fill()
        tasks = [servers.ask() for _ in range(200)]
        for number, task in enumerate(tasks):
            task.add_done_callback(lambda _, number=number: answered.append(number))
        await asyncio.sleep(0.3)
        assert servers.follower.looked == 200  # nobody looked again meanwhile
        for number in range(2 * PER_REPLICA):
            servers.clients[number % 2]._done()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert servers.follower.looked == 400
        assert servers.clean()

    run(work)
    assert answered == list(range(200))


def test_who_comes_later_does_not_take_the_place_of_who_was_let_in(home: Home, monkeypatch):
    answered: list[str] = []

    async def work() -> None:
        servers = Servers(home, 1, at_once, monkeypatch)
        servers.fill()
        waited = servers.ask()
        waited.add_done_callback(lambda _: answered.append("waited"))
        await asyncio.sleep(0.01)
        later = servers.ask()  # runs first when the place is free
        later.add_done_callback(lambda _: answered.append("later"))
        servers.clients[0]._done()
        await asyncio.gather(waited, later)

    run(work)
    assert answered == ["waited", "later"]


def test_the_turn_of_who_went_is_the_next_ones(home: Home, monkeypatch):
    async def work() -> None:
        servers = Servers(home, 1, at_once, monkeypatch)
        servers.fill()
        went, waits = servers.ask(), servers.ask()
        await asyncio.sleep(0.01)
        servers.clients[0]._done()
        went.cancel()  # it was let in, and did not run yet
        await waits
        servers.fill()
        with pytest.raises(Problem) as problem:
            await servers.ask(0.05)
        assert problem.value.kind == "busy"
        servers.clients[0].in_flight = 0
        await asyncio.sleep(0)
        assert servers.clean()

    run(work)


def test_a_server_that_can_be_asked_again_lets_in_without_other_routes(home: Home, monkeypatch):
    async def work() -> None:
        servers = Servers(home, 1, at_once, monkeypatch)
        servers.clients[0].down_until = time.monotonic() + 0.2
        began = time.monotonic()
        tasks = [servers.ask() for _ in range(20)]
        await asyncio.gather(*tasks)
        assert time.monotonic() - began >= 0.2
        assert servers.follower.looked <= 60  # a timer may be a little early
        assert servers.clean()

    run(work)


def test_who_waits_is_told_of_new_servers_and_the_engine_is_asked_each_second(
    home: Home, monkeypatch
):
    async def work() -> None:
        servers = Servers(home, 1, at_once, monkeypatch)
        follower, wish = servers.follower, paths.wake(home) / "p.m"
        follower.routes = Routes(1, {"p.m": servers.route((), idle=True)})
        tasks = [servers.ask() for _ in range(50)]
        await asyncio.sleep(0.01)
        wish.unlink()
        await asyncio.sleep(1.1)
        assert wish.exists()
        assert follower.looked < 60  # the wishes look, too
        follower.routes = Routes(2, {"p.m": servers.route(servers.replicas)})
        for turn in follower._waiting:
            turn.set_result(None)
        await asyncio.gather(*tasks)
        wish.unlink()
        await asyncio.sleep(1.1)
        assert not wish.exists()  # nobody waits any more
        assert servers.clean()

    run(work)


def test_who_was_failed_by_a_server_waits_for_the_others_without_spinning(home: Home, monkeypatch):
    failed: list[Client] = []

    async def work() -> None:
        async def ask(client: Client) -> Answer:
            if not failed:
                failed.append(client)
                servers.clients[1].in_flight = PER_REPLICA
                client.down_until = time.monotonic() + 0.1
                raise BrokenError("It was lost.", sent=False)
            return Answer()

        servers = Servers(home, 2, ask, monkeypatch)
        await servers.ask()  # the other is full, so the lost one is asked when it has rested
        assert servers.follower.looked <= 5
        assert time.monotonic() >= servers.clients[0].down_until

    run(work)


@pytest.mark.parametrize("seed", range(5))
def test_nobody_waits_while_there_is_room(home: Home, monkeypatch, seed: int):
    chance = random.Random(seed)  # noqa: S311 - of a test

    async def work() -> None:
        async def ask(client: Client) -> Answer:
            await asyncio.sleep(chance.random() / 100)
            if chance.random() < 0.02:
                client.down_until = time.monotonic() + 0.02
                raise BrokenError("It was lost.", sent=False)
            return Answer()

        servers = Servers(home, 3, ask, monkeypatch)
        tasks = []
        for _ in range(1500):
            tasks.append(servers.ask(0.05 if chance.random() < 0.1 else 30))
            if chance.random() < 0.1:
                chance.choice(tasks).cancel()
            if chance.random() < 0.002:
                await asyncio.sleep(0.005)
        for one in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(one, Answer | Problem | asyncio.CancelledError), one
        await asyncio.sleep(0.05)
        assert servers.clean()

    run(work)
