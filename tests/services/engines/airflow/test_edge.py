"""Workers of Airflow: recorded answers of a real one with three, and what is asked of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.engines.airflow.edge import Edge
from services.engines.airflow.models import EdgeJob
from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError

FIXTURES = Path(__file__).parent / "fixtures"


def said(name: str) -> bytes:
    return (FIXTURES / f"edge-{name}-3.3.2.json").read_bytes()


def asked(answer: httpx.Response) -> tuple[Edge, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    client = httpx.Client(transport=httpx.MockTransport(note), base_url="http://airflow.test")
    return Edge(client), seen


def test_workers_with_what_they_tell():
    edge, seen = asked(httpx.Response(200, content=said("workers")))
    mini, studio, hub = edge.workers()
    assert seen[0].url.path == "/edge_worker/ui/worker"
    assert (mini.name, mini.state, mini.active, mini.queues) == (
        "mini",
        "running",
        1,
        ("mlops@mini",),
    )
    assert (studio.state, studio.comment) == ("idle", None)
    assert studio.facts["mlops_chip"] == "Apple M3 Max"
    assert studio.facts["mlops_memory_bytes"] == 64 * 1024**3
    assert studio.heartbeat == datetime(2026, 11, 28, 14, 56, 48, 103354, tzinfo=UTC)
    assert "mlops_projects" not in hub.facts


def test_jobs_with_who_has_them():
    edge, _ = asked(httpx.Response(200, content=said("jobs")))
    _, train = edge.jobs()
    assert train == EdgeJob(
        dag_id="toy.short",
        run_id="lost",
        task_id="train",
        map_index=-1,
        attempt=1,
        state="running",
        queue="mlops@studio",
        worker="studio",
        queued_at=datetime(2026, 11, 28, 14, 56, 47, 788794, tzinfo=UTC),
        changed_at=datetime(2026, 11, 28, 14, 56, 48, 316023, tzinfo=UTC),
    )


def test_a_state_newer_than_we_know():
    document = json.loads(said("workers"))
    document["workers"][0] |= {"state": "hibernating", "queues": None}
    edge, _ = asked(httpx.Response(200, json=document))
    assert (edge.workers()[0].state, edge.workers()[0].queues) == ("other", ())


@pytest.mark.parametrize(
    ("what", "method", "path", "body"),
    [
        (lambda e: e.drain("a b", "disk"), "POST", "/worker/a%20b/maintenance",
         {"maintenance_comment": "disk"}),
        (lambda e: e.resume("mini"), "DELETE", "/worker/mini/maintenance", None),
        (lambda e: e.shut_down("mini"), "POST", "/worker/mini/shutdown", None),
        (lambda e: e.remove("mini"), "DELETE", "/worker/mini", None),
    ],
)  # fmt: skip
def test_what_is_asked(what, method, path, body):
    edge, seen = asked(httpx.Response(200, json=None))
    what(edge)
    assert (seen[0].method, seen[0].url.raw_path.decode()) == (method, f"/edge_worker/ui{path}")
    assert json.loads(seen[0].content or b"null") == body


def test_nonsense_refusals_and_silence():
    page, _ = asked(httpx.Response(200, text="<html>"))
    with pytest.raises(EngineProtocolError):
        page.workers()
    gone, _ = asked(httpx.Response(404, json={"detail": "Worker mini not found"}))
    with pytest.raises(EngineRefusedError, match="Worker mini not found"):
        gone.remove("mini")

    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(EngineUnreachableError):
        Edge(httpx.Client(transport=httpx.MockTransport(silent), base_url="http://a")).jobs()
