"""What is asked of Airflow, and what is made of its refusals."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.engines.airflow.adapter import Airflow
from services.errors import EngineRefusedError

FIXTURES = Path(__file__).parent / "fixtures"
Answer = Callable[[httpx.Request], httpx.Response]


def asked(answer: Answer) -> tuple[Airflow, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    client = httpx.Client(transport=httpx.MockTransport(note), base_url="http://airflow.test")
    return Airflow(client), seen


def recorded(name: str) -> httpx.Response:
    return httpx.Response(200, content=(FIXTURES / f"{name}-3.3.2.json").read_bytes())


def test_a_run_that_is_there_already_is_returned_and_not_made_again():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            detail = {"reason": "Unique constraint violation", "statement": "INSERT …"}
            return httpx.Response(409, json={"detail": detail})
        return recorded("dag-run")

    airflow, seen = asked(answer)
    launch = airflow.trigger("drill.train", "recorded-1", {"epochs": 5})
    assert not launch.created
    assert launch.run.state == "success"
    assert [request.method for request in seen] == ["POST", "GET"]
    assert json.loads(seen[0].content) == {
        "dag_run_id": "recorded-1",
        "logical_date": None,
        "conf": {"epochs": 5},
    }


def test_a_wrong_parameter_is_named_in_one_line():
    def answer(request: httpx.Request) -> httpx.Response:
        said = (
            "Invalid input for param epochs: 500 is greater than the maximum of 100\n\n"
            "Failed validating 'maximum' in schema:\n    {…}\n\nOn instance:\n    500"
        )
        return httpx.Response(400, json={"detail": said})

    airflow, _ = asked(answer)
    with pytest.raises(EngineRefusedError) as caught:
        airflow.trigger("drill.train", "r", {"epochs": 500})
    assert str(caught.value).endswith("500 is greater than the maximum of 100")


def test_a_malformed_request_names_the_field():
    def answer(request: httpx.Request) -> httpx.Response:
        fault = {"type": "greater_than_equal", "loc": ["body", "slots"], "msg": "too small"}
        return httpx.Response(422, json={"detail": [fault]})

    airflow, _ = asked(answer)
    with pytest.raises(EngineRefusedError, match=r"body\.slots: too small"):
        airflow.set_pool("p", -3)


def test_a_pool_that_is_not_there_is_made():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            return httpx.Response(404, json={"detail": "The Pool was not found"})
        return recorded("pool")

    airflow, seen = asked(answer)
    airflow.set_pool("mlops_gpu@mac", 4, "GPU slots of mac")
    assert [request.method for request in seen] == ["PATCH", "POST"]
    assert seen[0].url.raw_path == b"/api/v2/pools/mlops_gpu%40mac"
    assert json.loads(seen[1].content)["name"] == "mlops_gpu@mac"


def test_ids_are_quoted():
    airflow, seen = asked(lambda request: recorded("dag-run"))
    airflow.dag_run("a/b", "manual:+~2?#")
    assert seen[0].url.raw_path == b"/api/v2/dags/a%2Fb/dagRuns/manual%3A%2B~2%3F%23"


def test_all_pages_are_read():
    pages = iter([("1", "b"), ("2", None)])

    def answer(request: httpx.Request) -> httpx.Response:
        run_id, following = next(pages)
        document = json.loads((FIXTURES / "dag-runs-3.3.2.json").read_bytes())
        document["dag_runs"] = [document["dag_runs"][0] | {"dag_run_id": run_id}]
        document["next_cursor"] = following
        return httpx.Response(200, json=document)

    airflow, seen = asked(answer)
    since = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    assert [run.run_id for run in airflow.dag_runs_since(since)] == ["1", "2"]
    assert [request.url.params["cursor"] for request in seen] == ["", "b"]
    assert {request.url.params["updated_at_gte"] for request in seen} == {since.isoformat()}


def test_a_list_by_offset_ends_when_airflow_has_no_more():
    """The total may shrink between two pages: an empty page ends it."""
    document = json.loads((FIXTURES / "pools-3.3.2.json").read_bytes())
    answers = iter([document | {"total_entries": 50}, {"pools": [], "total_entries": 50}])
    airflow, seen = asked(lambda request: httpx.Response(200, json=next(answers)))
    assert len(airflow.pools()) == len(document["pools"])
    assert [request.url.params["offset"] for request in seen] == ["0", str(len(document["pools"]))]


def test_what_a_task_did_not_hand_on_is_none():
    airflow, _ = asked(lambda request: httpx.Response(404, json={"detail": "XCom not found"}))
    assert airflow.xcom("d", "r", "t") is None
    airflow, _ = asked(lambda request: httpx.Response(403, json={"detail": "Forbidden"}))
    with pytest.raises(EngineRefusedError, match="Forbidden"):
        airflow.xcom("d", "r", "t")


def test_clearing_says_which_tasks():
    airflow, seen = asked(lambda request: recorded("cleared"))
    cleared = airflow.clear("d", "r", ["pull", ("fit", 1)], downstream=True)
    assert ("fit", 0) in cleared
    body = json.loads(seen[0].content)
    assert body["task_ids"] == ["pull", ["fit", 1]]
    assert body["include_downstream"] is True
    assert body["dry_run"] is False
    airflow.clear("d", "r")
    assert "task_ids" not in json.loads(seen[1].content)


def busy() -> httpx.Response:
    detail = {"reason": "Database error", "message": "Serious error"}
    return httpx.Response(500, json={"detail": detail})


def test_a_write_that_met_another_is_sent_again(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    answers = iter([busy(), busy(), recorded("pool")])
    airflow, seen = asked(lambda request: next(answers))
    assert airflow.set_pool("mlops_gpu@mac", 4).slots == 4
    assert len(seen) == 3


def test_a_database_that_stays_away_is_said_after_some_tries(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    airflow, seen = asked(lambda request: busy())
    with pytest.raises(EngineRefusedError, match="Database error") as caught:
        airflow.set_paused("d", paused=True)
    assert caught.value.status == 500
    assert len(seen) == 5


def test_an_event_is_never_sent_twice():
    airflow, seen = asked(lambda request: busy())
    with pytest.raises(EngineRefusedError):
        airflow.emit(1)
    assert len(seen) == 1


@pytest.mark.parametrize("broken", [(), (0,), (3, 70), (64, 65, 129), tuple(range(130))])
def test_events_whose_runs_have_not_started_are_left_out_and_counted(broken: tuple[int, ...]):
    """Airflow answers the whole list with HTTP 500 then."""
    one = json.loads((FIXTURES / "asset-events-3.3.2.json").read_bytes())["asset_events"][0]
    total = 130

    def answer(request: httpx.Request) -> httpx.Response:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        window = range(offset, min(offset + limit, total))
        if set(window) & set(broken):
            return httpx.Response(500, content=b"Internal Server Error")
        events = [one | {"id": number} for number in window]
        return httpx.Response(200, json={"asset_events": events, "total_entries": total})

    airflow, seen = asked(answer)
    found = airflow.asset_events()
    assert [e.event_id for e in found.events] == [n for n in range(total) if n not in broken]
    assert found.untold == len(broken)
    assert len(seen) == 3 or broken


def test_events_that_are_refused_are_no_missing_events():
    airflow, _ = asked(lambda request: httpx.Response(403, json={"detail": "Forbidden"}))
    with pytest.raises(EngineRefusedError, match="Forbidden"):
        airflow.asset_events()


def test_an_airflow_that_is_broken_itself_is_no_missing_event():
    airflow, seen = asked(lambda request: httpx.Response(500, content=b"Internal Server Error"))
    with pytest.raises(EngineRefusedError, match="HTTP 500"):
        airflow.asset_events()
    assert len(seen) == 2
