"""Versions, shares, shadows, lost model servers, waking, and draining."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from benchmarks import load as open_loop
from services.serving import figures, paths
from tests.live import eventually
from tests.services.gateway import lab as labs
from tests.services.gateway.lab import Lab

pytestmark = pytest.mark.engine

ASKED = {"columns": {"x": [[1, 2, 3, 4]]}}


def ask(lab: Lab, client: httpx.Client, model: str, **headers: str) -> httpx.Response:
    return client.post(f"/predict/lab/{model}", json=ASKED, headers=headers)


def test_shares_are_kept_and_a_session_stays(lab: Lab):
    one = lab.loaded("rows", lab.server("rows", "--factor", "1"), model="shares")
    two = lab.loaded("rows", lab.server("rows", "--factor", "2"), version=2, model="shares")
    lab.put(one, two, shares={1: 0.5, 2: 0.5})
    lab.followed()
    with lab.client() as client:
        found = Counter(ask(lab, client, "shares").json()["version"] for _ in range(60))
        assert set(found) == {1, 2}
        for session in ("anna", "bert", "carl"):
            mine = {
                ask(lab, client, "shares", **{"X-Session-Id": session}).json()["version"]
                for _ in range(8)
            }
            assert len(mine) == 1
        named = ask(lab, client, "shares", **{"X-Model-Version": "2"})
        assert (named.json()["version"], named.json()["columns"]["y"]) == (2, [20.0])
        for wrong, status in (("7", 404), ("x", 400), ("-1", 400)):
            answer = ask(lab, client, "shares", **{"X-Model-Version": wrong})
            assert (answer.status_code, answer.json()["field"]) == (status, "X-Model-Version")
        path = "/v2/models/lab.shares/versions/1/infer"
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
        both = client.post(path, json={"inputs": [tensor]}, headers={"X-Model-Version": "2"})
        assert both.status_code == 400


def test_a_shadow_is_compared_and_never_answers(lab: Lab):
    same = lab.loaded("rows", lab.server("rows"), version=2, model="same")
    other = lab.loaded("rows", lab.server("rows", "--factor", "3"), version=2, model="other")
    lab.put(lab.loaded("rows", lab.server("rows"), model="same"), same, shadow=2)
    lab.put(lab.loaded("rows", lab.server("rows"), model="other"), other, shadow=2)
    lab.followed()
    with lab.client() as client:
        for model in ("same", "other"):
            for _ in range(5):
                assert ask(lab, client, model).json()["version"] == 1

    def compared(model: str) -> tuple[int, int]:
        said = figures.read(lab.home)
        assert said is not None
        version = said.of(f"lab.{model}", 2)
        return version.compared, version.differing

    eventually(lambda: compared("same") == (5, 0))
    eventually(lambda: compared("other") == (5, 5))


@pytest.fixture
def busy(lab: Lab) -> Iterator["Load"]:
    load = Load(lab)
    yield load
    load.stop()


class Load:
    """Clients that ask without a pause, and what they were answered."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.statuses: Counter[int] = Counter()
        self.longest_s = 0.0
        self.versions: Counter[int] = Counter()
        self.retried = 0
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, model: str, clients: int = 4) -> None:
        for _ in range(clients):
            thread = threading.Thread(target=self._ask, args=(model,))
            thread.start()
            self._threads.append(thread)

    def _ask(self, model: str) -> None:
        with self.lab.client() as client:
            while not self._ended.is_set():
                began = time.monotonic()
                answer = ask(self.lab, client, model)
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.versions[answer.json()["version"]] += 1

    def more(self, number: int) -> None:
        """Wait until so many more were answered."""
        wanted = self.statuses.total() + number
        eventually(lambda: self.statuses.total() >= wanted)

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def test_a_killed_model_server_costs_no_request(lab: Lab, busy: Load):
    replicas = [lab.server("rows", "--delay-s", "0.01") for _ in range(2)]
    lab.put(lab.loaded("rows", *replicas, model="killed"))
    lab.followed()
    busy.start("killed")
    busy.more(50)
    lab.kill(replicas[0])  # the routes still name it
    busy.more(50)
    lab.put(lab.loaded("rows", replicas[1], model="killed"))
    busy.more(50)
    busy.stop()
    assert set(busy.statuses) == {200}


def test_a_rush_waits_for_room_instead_of_being_refused(lab: Lab):
    """As after an outage: more at once than the model server would queue."""
    replica = lab.server("rows", "--delay-s", "0.3", "--most", "256")
    lab.put(lab.loaded("rows", replica, model="rush"))
    lab.followed()
    load = open_loop.Load(
        f"{lab.url}/predict/lab/rush",
        json.dumps(ASKED).encode(),
        {"Authorization": f"Bearer {lab.key}"},
    )
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, load.run(10_000, most=600)).result(60)
    assert load.seen.statuses == {200: 600}, load.seen.faults


def test_with_its_only_model_server_killed_requests_wait_for_the_next(lab: Lab, busy: Load):
    first = lab.server("rows", "--delay-s", "0.01")
    lab.put(lab.loaded("rows", first, model="alone"))
    lab.followed()
    busy.start("alone")
    busy.more(20)
    lab.kill(first)
    time.sleep(1)  # nobody is there
    lab.put(lab.loaded("rows", lab.server("rows"), model="alone"))
    busy.more(50)
    busy.stop()
    assert set(busy.statuses) == {200}
    said = figures.read(lab.home)
    assert said is not None


def test_a_request_that_kills_two_servers_is_not_asked_a_third_time(lab: Lab):
    replicas = [lab.server("rows", "--die-after", "1") for _ in range(3)]
    lab.put(lab.loaded("rows", *replicas, model="poison"))
    lab.followed()
    with lab.client() as client:
        answer = ask(lab, client, "poison")
    assert answer.status_code == 502

    def dead() -> int:
        return sum(lab.servers[one.id].poll() is not None for one in replicas)

    eventually(lambda: dead() == 2)


def test_a_switch_under_load_loses_nothing(lab: Lab, busy: Load):
    old = lab.server("rows", "--delay-s", "0.005")
    lab.put(lab.loaded("rows", old, model="switch"))
    lab.followed()
    busy.start("switch")
    for version in range(2, 6):
        busy.more(40)
        new = lab.server("rows", "--delay-s", "0.005")
        serial = lab.serial
        lab.put(lab.loaded("rows", new, version=version, model="switch"))
        assert lab.serial == serial + 1

        def drained(before: int = version - 1) -> bool:
            said = figures.read(lab.home)
            known = said is not None and said.serial >= lab.serial
            return known and said is not None and not said.of("lab.switch", before).in_flight

        eventually(drained)
        lab.kill(old)
        old = new
    busy.more(40)
    busy.stop()
    assert set(busy.statuses) == {200}
    assert set(busy.versions) == {1, 2, 3, 4, 5}


def test_an_idle_endpoint_is_woken_and_the_request_waits(lab: Lab):
    lab.put(lab.loaded("rows", model="asleep"), idle=True)
    lab.followed()
    wish = paths.wake(lab.home) / "lab.asleep"
    with ThreadPoolExecutor(1) as threads, lab.client() as client:
        waiting = threads.submit(ask, lab, client, "asleep")
        eventually(wish.exists)
        assert not waiting.done()
        lab.put(lab.loaded("rows", lab.server("rows"), model="asleep"))
        assert waiting.result().status_code == 200


def test_who_waits_too_long_is_told_when_to_come_again(lab: Lab):
    lab.put(lab.loaded("rows", model="nobody"), idle=True)
    slow = lab.server("rows", "--delay-s", "5")
    lab.put(lab.loaded("rows", slow, model="slow"))
    lab.followed()
    with lab.client() as client:
        away = ask(lab, client, "nobody", **{"X-Deadline-Ms": "100"})
        late = ask(lab, client, "slow", **{"X-Deadline-Ms": "100"})
        wrong = ask(lab, client, "slow", **{"X-Deadline-Ms": "soon"})
    assert (away.status_code, late.status_code) == (503, 504)
    assert int(away.headers["retry-after"]) >= 1
    assert (wrong.status_code, wrong.json()["field"]) == (400, "X-Deadline-Ms")


@pytest.mark.parametrize(("kind", "status"), [("broken", 500), ("busy", 429), ("picky", 400)])
def test_what_a_model_says_reaches_who_asked(lab: Lab, kind: str, status: int):
    lab.put(lab.loaded("rows", lab.server(kind), model=kind))
    lab.followed()
    with lab.client() as client:
        answer = ask(lab, client, kind)
    assert answer.status_code == status
    assert answer.headers["x-model-version"] == "1"
    if status == 429:
        assert answer.headers["retry-after"] == "1"
    if status == 400:
        assert answer.json()["field"] == "x"


def test_figures_and_metrics_count_what_passed(lab: Lab):
    lab.put(lab.loaded("rows", lab.server("rows"), model="counted"))
    lab.followed()
    with lab.client() as client:
        for _ in range(7):
            ask(lab, client, "counted")
        client.post("/predict/lab/counted", json={"rows": [{"x": "no"}]})
        mine = client.get("/metrics").text
        client.headers.pop("Authorization")
        everything = client.get("/metrics")

    def version() -> figures.VersionFigures:
        said = figures.read(lab.home)
        assert said is not None
        return said.of("lab.counted", 1)

    eventually(lambda: version().total == 8)
    assert version().requests == 8
    assert version().total_errors == 0
    p50, p99 = version().p50_ms, version().p99_ms
    assert p50 is not None
    assert p99 is not None
    assert 0 < p50 <= p99
    assert everything.headers["content-type"].startswith("application/openmetrics-text")
    assert everything.text.endswith("# EOF\n")
    labels = 'endpoint="lab.counted",project="lab",version="1"'
    for text in (mine, everything.text):
        assert f'mlops_gateway_requests_total{{{labels},status="200"}} 7' in text
        assert f'mlops_gateway_requests_total{{{labels},status="400"}} 1' in text
        assert f'mlops_gateway_request_duration_seconds_bucket{{{labels},le="+Inf"}} 7' in text
    assert "mlops_gateway_unrouted" in everything.text
    assert "mlops_gateway_unrouted" not in mine


def test_metrics_are_not_told_through_a_proxy(lab: Lab):
    with lab.client() as client:
        client.headers.pop("Authorization")
        answer = client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"})
    assert answer.status_code == 401


def test_every_prediction_is_in_the_log_before_its_answer(lab: Lab):
    lab.put(lab.loaded("rows", lab.server("rows"), model="logged"))
    lab.followed()
    with lab.client() as client:
        answer = ask(lab, client, "logged")
    mark = answer.json()["request_id"].encode()
    files = [path for path in lab.home.serving.rglob("*") if path.is_file()]
    assert any(mark in path.read_bytes() for path in files)


def test_sigterm_lets_what_is_under_way_end(tmp_path):
    with labs.running(tmp_path) as lab:
        lab.put(lab.loaded("rows", lab.server("rows", "--delay-s", "1"), model="slow"))
        lab.followed()
        with ThreadPoolExecutor(1) as threads, lab.client() as client:
            waiting = threads.submit(ask, lab, client, "slow")

            def under_way() -> bool:
                said = figures.read(lab.home)
                return said is not None and said.of("lab.slow", 1).in_flight == 1

            eventually(under_way)
            assert lab.stop() == 0
            assert waiting.result().status_code == 200
        said = lab.lines()[-1]
        assert (said["route"], said["status"], said["key"]) == (
            "/predict/{project}/{model}", 200, lab.key_id,
        )  # fmt: skip
        assert lab.key not in lab.log.read_text()
