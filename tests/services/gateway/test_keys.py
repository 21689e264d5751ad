"""Keys: who may ask, how much, and how soon a revoked one opens nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from services.errors import JournalError
from services.gateway.keys import STALE_S, KeyRing
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
        self.ring = KeyRing(self.read, clock=lambda: self.now)
        self.ring.look()

    def read(self) -> tuple[ApiKey, ...]:
        if self.broken:
            raise JournalError("It is locked.")
        return self.keys


@pytest.mark.parametrize("header", ["Bearer {}", "bearer   {}"])
def test_a_key_opens(header: str):
    key, kept = made()
    assert Ring(kept).ring.key(header.format(key), "") == kept
    assert Ring(kept).ring.key("", key) == kept


@pytest.mark.parametrize("change", [{"revoked_at": 1.0}, {"expires_at": 1.0}])
def test_a_key_that_is_no_good_opens_nothing(change: dict):
    key, kept = made(**change)
    with pytest.raises(Problem) as problem:
        Ring(kept).ring.key(f"Bearer {key}", "")
    assert problem.value.status == 401


def test_strangers_and_tampered_keys_open_nothing():
    key, kept = made()
    for wrong in ("", "Basic abc", f"Bearer {key}x", f"Bearer {key[:-1]}", "Bearer mlk_a_b"):
        with pytest.raises(Problem) as problem:
            Ring(kept).ring.key(wrong, "")
        assert problem.value.status == 401


def test_an_unreadable_journal_is_stood_for_a_minute():
    key, kept = made()
    ring = Ring(kept)
    ring.broken = True
    ring.now += STALE_S - 1
    ring.ring.look()
    assert ring.ring.key("", key) == kept
    ring.now += 2
    with pytest.raises(Problem) as problem:
        ring.ring.key("", key)
    assert problem.value.status == 503
    ring.broken = False
    ring.ring.look()
    assert ring.ring.key("", key) == kept


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
    foreign = lab.known(lab.new_key(project="other"))
    narrow = lab.known(lab.new_key(models=("classify",)))
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
def test_a_revoked_key_stops_working(lab: Lab):
    key = lab.known(lab.new_key())
    with lab.client(key) as client:
        assert client.post("/predict/lab/rows", json=ASKED).status_code == 200
        store.revoke_key(lab.journal, store.key_id_of(key))
        began = time.monotonic()
        eventually(lambda: client.post("/predict/lab/rows", json=ASKED).status_code == 401)
        lab.times["revoked"] = time.monotonic() - began


@pytest.mark.engine
def test_a_key_is_limited_at_the_gateway(lab: Lab):
    key = lab.known(lab.new_key(rate_per_s=5.0))
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
    key = lab.known(lab.new_key(concurrency=2))
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
