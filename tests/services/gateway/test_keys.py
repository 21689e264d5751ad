"""Keys: who may ask, how much, and how soon a revoked one opens nothing."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from services.errors import JournalError
from services.gateway.keys import PAUSE_S, POLL_S, SHARE, STALE_S, KeyRing
from services.gateway.limits import Limits
from services.gateway.problems import Problem
from services.serving import store
from services.serving.store import ApiKey
from tests.live import eventually
from tests.services.gateway.lab import Lab

ASKED = {"columns": {"x": [[1, 2, 3, 4]]}}


def made(**more: object) -> tuple[str, ApiKey]:
    key_id, key, digest = store.new_key()
    return key, replace(ApiKey(key_id, "lab", "t", digest, None, 0, 0, 0.0, "me"), **more)


class Ring:
    """A key ring whose journal and clock the test holds."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys = keys
        self.broken = False
        self.now = 1000.0
        self.reads = 0
        self.ring = KeyRing(self.read, clock=lambda: self.now)
        self.ring.look()

    def key(self, authorization: str, x_api_key: str) -> ApiKey:
        return asyncio.run(self.ring.key(authorization, x_api_key))

    def read(self) -> tuple[ApiKey, ...]:
        self.reads += 1
        if self.broken:
            raise JournalError("It is locked.")
        return self.keys


@pytest.mark.parametrize("header", ["Bearer {}", "bearer   {}"])
def test_a_key_opens(header: str):
    key, kept = made()
    assert Ring(kept).key(header.format(key), "") == kept
    assert Ring(kept).key("", key) == kept


@pytest.mark.parametrize("change", [{"revoked_at": 1.0}, {"expires_at": 1.0}])
def test_a_key_that_is_no_good_opens_nothing(change: dict):
    key, kept = made(**change)
    with pytest.raises(Problem) as problem:
        Ring(kept).key(f"Bearer {key}", "")
    assert problem.value.status == 401


def test_strangers_and_tampered_keys_open_nothing():
    key, kept = made()
    for wrong in ("", "Basic abc", f"Bearer {key}x", f"Bearer {key[:-1]}", "Bearer mlk_a_b"):
        with pytest.raises(Problem) as problem:
            Ring(kept).key(wrong, "")
        assert problem.value.status == 401


def test_an_unreadable_journal_is_stood_for_a_minute():
    key, kept = made()
    ring = Ring(kept)
    ring.broken = True
    ring.now += STALE_S - 1
    ring.ring.look()
    assert ring.key("", key) == kept
    ring.now += 2
    with pytest.raises(Problem) as problem:
        ring.key("", key)
    assert problem.value.status == 503
    ring.broken = False
    ring.ring.look()
    assert ring.key("", key) == kept


@pytest.fixture
def followed() -> Iterator[Ring]:
    """A ring whose thread runs."""
    one = Ring()
    one.ring.start()
    yield one
    one.ring.stop()


async def asked(ring: Ring, key: str) -> int:
    try:
        await ring.ring.key("", key)
    except Problem as problem:
        return problem.status
    return 200


def test_a_fresh_key_is_good_at_once(followed: Ring):
    async def work() -> list[float]:
        took = []
        for _ in range(5):
            key, kept = made()
            followed.keys = (*followed.keys, kept)
            began = time.monotonic()
            assert await asked(followed, key) == 200
            took.append(time.monotonic() - began)
        return took

    assert min(asyncio.run(work())) < POLL_S / 2


def test_a_flood_of_made_up_keys_costs_a_bounded_number_of_reads(followed: Ring):
    async def work() -> int:
        before, end, asks = followed.reads, time.monotonic() + 1.0, 0
        while time.monotonic() < end:
            strangers = [store.new_key()[1] for _ in range(200)]
            statuses = await asyncio.gather(*(asked(followed, one) for one in strangers))
            assert set(statuses) == {401}
            asks += len(statuses)
        assert asks >= 400
        return followed.reads - before

    assert 1 <= asyncio.run(work()) <= 1 / PAUSE_S + 2


def test_what_claims_to_be_a_known_key_is_no_reason_to_read(followed: Ring):
    key, kept = made()
    followed.keys = (kept,)
    assert asyncio.run(asked(followed, key)) == 200
    eventually(lambda: followed.ring._wanted.is_set() is False)
    assert asyncio.run(asked(followed, f"{key}x")) == 401
    assert asyncio.run(asked(followed, "no key at all")) == 401
    assert not followed.ring._wanted.is_set()


def test_a_strange_key_is_not_called_unknown_while_the_journal_cannot_be_read(followed: Ring):
    followed.broken = True
    assert asyncio.run(asked(followed, store.new_key()[1])) == 503


def test_reads_that_take_long_take_a_share_of_the_time(followed: Ring):
    def slow() -> tuple[ApiKey, ...]:
        time.sleep(0.2)
        followed.reads += 1
        return ()

    followed.ring._read = slow

    async def work() -> int:
        before, end = followed.reads, time.monotonic() + 2.0
        while time.monotonic() < end:
            await asked(followed, store.new_key()[1])
        return followed.reads - before

    assert asyncio.run(work()) <= 2.0 * SHARE / 0.2 + 2


def test_a_rate_has_a_burst_of_a_second_and_says_when_to_come_back():
    now = [0.0]
    limits = Limits(clock=lambda: now[0])
    _, key = made(rate_per_s=2.0)
    for _ in range(2):
        with limits.admitted(key):
            pass
    with pytest.raises(Problem) as problem, limits.admitted(key):
        pass
    assert problem.value.status == 429
    assert (b"retry-after", b"1") in problem.value.headers()
    now[0] += 0.5
    with limits.admitted(key):
        pass


def test_so_many_at_once_and_no_more():
    limits = Limits()
    _, key = made(concurrency=1)
    with limits.admitted(key), pytest.raises(Problem) as problem, limits.admitted(key):
        pass
    assert problem.value.status == 429
    with limits.admitted(key):
        pass
    assert limits.running == 0


@pytest.mark.engine
def test_a_key_is_for_its_project_and_its_models(lab: Lab):
    foreign = lab.new_key(project="other")
    narrow = lab.new_key(models=("classify",))
    with lab.client(foreign) as client:
        there = client.post("/predict/lab/rows", json=ASKED)
        missing = client.post("/predict/lab/nothing", json=ASKED)
        assert client.get("/v1/models").json()["data"] == []
    assert there.status_code == missing.status_code == 404
    assert there.json()["detail"].replace("rows", "nothing") == missing.json()["detail"]
    with lab.client(narrow) as client:
        assert client.post("/predict/lab/rows", json=ASKED).status_code == 404
        assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["lab.classify"]


@pytest.mark.engine
def test_without_a_key_only_the_gateway_tells_of_itself(lab: Lab):
    with lab.client("") as client:
        client.headers.pop("Authorization")
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/healthz", "/openapi.json"):
            assert client.get(path).status_code == 200, path
        for path in ("/v1/models", "/v2/models/lab.rows", "/v2/models/lab.rows/ready"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.engine
def test_a_key_is_good_as_soon_as_it_is_made(lab: Lab):
    for _ in range(5):
        with lab.client(lab.new_key()) as client:
            assert client.post("/predict/lab/rows", json=ASKED).status_code == 200


@pytest.mark.engine
def test_a_revoked_key_stops_working(lab: Lab):
    key = lab.new_key()
    with lab.client(key) as client:
        assert client.post("/predict/lab/rows", json=ASKED).status_code == 200
        store.revoke_key(lab.journal, store.key_id_of(key))
        began = time.monotonic()
        eventually(lambda: client.post("/predict/lab/rows", json=ASKED).status_code == 401)
        lab.times["revoked"] = time.monotonic() - began


@pytest.mark.engine
def test_a_key_is_limited_at_the_gateway(lab: Lab):
    key = lab.new_key(rate_per_s=5.0)
    with lab.client(key) as client:
        found = [client.post("/predict/lab/rows", json=ASKED) for _ in range(20)]
    refused = [one for one in found if one.status_code == 429]
    assert refused
    assert {one.status_code for one in found} <= {200, 429}
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)


@pytest.mark.engine
def test_a_key_has_so_many_requests_under_way(lab: Lab):
    slow = lab.server("rows", "--delay-s", "0.5")
    lab.put(lab.loaded("rows", slow, model="slow-keys"))
    key = lab.new_key(concurrency=2)
    lab.followed()
    ready = threading.Barrier(6)

    def ask(_: int) -> int:
        with lab.client(key) as client:
            ready.wait()
            return client.post("/predict/lab/slow-keys", json=ASKED).status_code

    with ThreadPoolExecutor(6) as threads:
        found = sorted(threads.map(ask, range(6)))
    assert found.count(200) >= 2
    assert set(found) == {200, 429}
