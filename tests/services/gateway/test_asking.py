"""Which version a question goes to, routes as they change, and the limits around it."""

import asyncio
import contextlib
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.asking import Question, chosen, refused
from services.gateway.contract import Prepared
from services.gateway.following import Follower
from services.gateway.http import Request, unpacked
from services.gateway.limits import MOST_BYTES, Limits
from services.gateway.problems import Problem
from services.gateway.shadows import equal
from services.home import Home
from services.serving import routes
from services.serving.models import BundleInfo
from services.serving.routes import Route, Routes, VersionRoute
from services.serving.wire import AnswerError


def loaded(version: int) -> VersionRoute:
    info = BundleInfo("p", "m", version, "rows", "onnx", (), ())
    return VersionRoute(version, info, "cpu", "", ())


def route(**shares: float) -> Route:
    found = {int(name[1:]): share for name, share in shares.items()}
    versions = {version: loaded(version) for version in found}
    return Route("p.m", "p", "m", min(found), found, versions)


def question(**more: object) -> Question:
    return Question("p.m", lambda _: Prepared((), 1, {}), 0.0, **more)  # type: ignore[arg-type]


def test_shares_are_what_they_say():
    one = route(v1=0.9, v2=0.1)
    found = Counter(chosen(one, question(point=n / 1000)).version for n in range(1000))
    assert found == {1: 900, 2: 100}


@given(st.text(max_size=20))
def test_a_session_stands_where_it_stands(session: str):
    one = question(session=session)
    assert 0 <= one.point < 1
    if session:
        assert question(session=session).point == one.point


def test_shares_that_do_not_add_up_leave_the_rest_to_the_live_version():
    assert chosen(route(v1=0.2, v2=0.2), question(point=0.9)).version == 1
    gone = replace(route(v1=0.0), primary=9)
    with pytest.raises(Problem) as problem:
        chosen(gone, question(point=0.5))
    assert problem.value.status == 503


def test_a_version_that_is_named_is_taken_or_missing():
    one = replace(route(v1=1.0, v2=0.0), shadow=2)
    assert chosen(one, question(pinned=2)).version == 2
    with pytest.raises(Problem) as problem:
        chosen(one, question(pinned=3, pinned_by="X-Model-Version"))
    assert (problem.value.status, problem.value.field) == (404, "X-Model-Version")


def test_a_question_is_prepared_once_a_version():
    asked: list[int] = []

    def prepare(version: VersionRoute) -> Prepared:
        asked.append(version.version)
        return Prepared((), 1, {})

    one = Question("p.m", prepare, 0.0)
    first, second = loaded(1), loaded(2)
    for each in (first, first, second, second):
        one.settle(each)
    assert asked == [1, 2]
    assert one.loaded is second


@pytest.mark.parametrize(
    ("kind", "status"),
    [("input", 400), ("busy", 429), ("deadline", 504), ("model", 500), ("what", 500)],
)
def test_a_servers_refusal_has_its_status(kind: str, status: int):
    assert refused(AnswerError("No.", kind, "x")).status == status


def test_routes_are_followed_and_a_broken_file_changes_nothing(tmp_path: Path):
    home = Home(tmp_path)
    home.create()
    seen: list[int] = []
    follower = Follower(home, lambda found: seen.append(found.serial))
    assert not follower.look()
    routes.write(home, Routes(1, {"p.m": route(v1=1.0)}))
    assert follower.look()
    assert not follower.look()
    assert follower.route("p.m") is not None
    routes.path(home).write_text("{")
    assert not follower.look()
    assert follower.routes.serial == 1
    routes.path(home).unlink()
    assert not follower.look()
    routes.write(home, Routes(2))
    assert follower.look()
    assert seen == [1, 2]
    assert follower.route("p.m") is None


def test_who_waits_for_routes_is_told_of_a_change(tmp_path: Path):
    home = Home(tmp_path)
    home.create()

    async def work() -> None:
        follower = Follower(home)
        turn = asyncio.get_running_loop().create_future()
        with follower.telling(turn):
            follower.look()
            assert not turn.done()
            routes.write(home, Routes(1))
            follower.look()
            assert await turn is None
        assert not follower._waiting

    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work()).result()


def test_a_key_alone_holds_half_of_all_bytes():
    limits = Limits()
    limits.hold("a", MOST_BYTES // 2)
    with pytest.raises(Problem) as problem:
        limits.hold("a", 1)
    assert (problem.value.status, problem.value.close) == (429, True)
    assert "256 MiB of them of this key" in problem.value.detail
    limits.release("a", MOST_BYTES // 2)
    limits.hold("a", 1)
    assert limits.held == 1


@pytest.mark.parametrize("keys", [1, 2, 3, 40])
def test_however_many_keys_take_what_they_can_the_next_has_as_much(keys: int):
    limits, piece = Limits(), MOST_BYTES // 1024
    for _ in range(1024):
        for number in range(keys):
            with contextlib.suppress(Problem):
                limits.hold(str(number), piece)
    share = MOST_BYTES / (keys + 1)
    assert MOST_BYTES - limits.held >= share - piece
    limits.hold("next", int(share / 2) - piece)
    with pytest.raises(Problem) as problem:
        limits.hold("next", MOST_BYTES)
    assert problem.value.status in (429, 503)


def test_answers_are_alike_within_a_tolerance():
    import numpy as np

    one = {"y": np.array([1.0, 2.0], np.float32), "label": ["a"]}
    near = {"y": np.array([1.0001, 2.0], np.float32), "label": ["a"]}
    assert equal(one, near)
    for other in (
        {"y": one["y"]},
        {**one, "label": ["b"]},
        {**one, "y": np.array([1.1, 2.0], np.float32)},
        {**one, "y": np.array([1.0], np.float32)},
        {**one, "y": [1.0, 2.0]},
    ):
        assert not equal(one, other)


def test_ids_are_uuids_of_version_7_in_order():
    async def nothing() -> dict:
        return {}

    scope = {"method": "GET", "raw_path": b"/v2", "path": "/v2", "headers": []}
    found = [Request(scope, nothing).id for _ in range(50)]
    assert {uuid.UUID(one).version for one in found} == {7}
    assert {uuid.UUID(one).variant for one in found} == {uuid.RFC_4122}
    stamps = [one[:12] for one in found]
    assert stamps == sorted(stamps)
    assert len(set(found)) == 50


@given(st.binary(max_size=200))
def test_any_bytes_are_a_compressed_body_or_refused(body: bytes):
    try:
        unpacked(body, 1000)
    except Problem as problem:
        assert problem.status in (400, 413)  # noqa: PT017 - or it is taken
