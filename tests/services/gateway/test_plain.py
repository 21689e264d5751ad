"""Plain JSON, pictures in and out, and feedback."""

import base64
import io
import time
import uuid

import pytest

from services.gateway.feedback import strictest
from services.serving.models import Privacy
from tests.services.gateway.lab import Lab

pytestmark = pytest.mark.engine


def uuid7() -> str:
    return f"{time.time_ns() // 1_000_000:012x}7{uuid.uuid4().hex[:3]}8{uuid.uuid4().hex[:15]}"


def test_rows_come_back_as_rows(lab: Lab):
    rows = [{"text": "Who?"}, {"text": "Me."}]
    with lab.client() as client:
        answer = client.post("/predict/lab/classify", json={"rows": rows})
    said = answer.json()
    assert answer.status_code == 200, said
    assert said["rows"] == [
        {"label": "question", "confidence": 0.75},
        {"label": "statement", "confidence": 0.75},
    ]
    assert (said["model"], said["version"], said["backend"]) == ("lab.classify", 1, "cpu")
    assert said["request_id"] == answer.headers["x-request-id"]


def test_columns_come_back_as_columns(lab: Lab):
    with lab.client() as client:
        answer = client.post("/predict/lab/rows", json={"columns": {"x": [[1, 2, 3, 4]]}})
    assert answer.json()["columns"] == {"y": [20.0]}


def test_pictures_come_as_numbers_or_as_pngs(lab: Lab):
    from PIL import Image

    asked = {"rows": [{"label": 5}]}
    with lab.client() as client:
        numbers = client.post("/predict/lab/images", json=asked).json()
        drawn = client.post("/predict/lab/images", json={**asked, "images": "png"}).json()
        accepted = client.post(
            "/predict/lab/images", json=asked, headers={"Accept": "image/png, application/json"}
        ).json()
    assert numbers["rows"][0]["image"] == [[0.5] * 4] * 4
    assert accepted["rows"] == drawn["rows"]
    raw = base64.b64decode(drawn["rows"][0]["image"])
    with Image.open(io.BytesIO(raw)) as picture:
        assert (picture.size, picture.mode) == ((4, 4), "L")
        assert picture.getpixel((0, 0)) == 128


def png(side: int) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (side, side), 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_picture_goes_in_as_a_png_of_its_size(lab: Lab):
    with lab.client() as client:
        small = client.post("/predict/lab/embed", json={"rows": [{"image": png(5)}]})
        broken = client.post("/predict/lab/embed", json={"rows": [{"image": "no base64!"}]})
        text = client.post("/predict/lab/embed", json={"rows": [{"image": "aGVsbG8="}]})
        good = client.post("/predict/lab/embed", json={"rows": [{"image": png(4)}]})
    for answer in (small, broken, text):
        assert (answer.status_code, answer.json()["field"]) == (400, "rows[].image")
    assert "5 × 5" in small.json()["detail"]
    assert good.json()["rows"] == [{"embedding": [1.0] * 8}]  # white, as a number


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "rows"),
        ({"rows": [], "columns": {}}, "rows"),
        ({"rows": []}, "rows"),
        ({"rows": [1]}, "rows[0]"),
        ({"rows": [{"text": "a"}, {"txt": "b"}]}, "rows[1].text"),
        ({"rows": [{"text": 1}]}, "rows[].text"),
        ({"rows": [{"text": "a", "more": 1}]}, "rows[].more"),
        ({"rows": [{}]}, "rows[].text"),
        ({"columns": {"text": "a"}}, "columns.text"),
        ({"columns": {"text": [["a", "b"]]}}, "columns.text"),
        ({"columns": {"text": []}}, "columns.text"),
        ({"columns": []}, "columns"),
        ({"rows": [{"text": "a"}], "images": "jpeg"}, "images"),
        ({"rows": [{"text": "a"}], "parameters": {"a": [1]}}, "parameters.a"),
        ({"rows": [{"text": "a"}], "what": 1}, "what"),
    ],
)
def test_what_is_wrong_is_named(lab: Lab, asked: dict, field: str):
    with lab.client() as client:
        answer = client.post("/predict/lab/classify", json=asked)
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.json()


@pytest.mark.parametrize("label", [3.5, "3", True, -1, 10])
def test_a_choice_must_be_one_of_them(lab: Lab, label: object):
    with lab.client() as client:
        answer = client.post("/predict/lab/images", json={"rows": [{"label": label}]})
    assert (answer.status_code, answer.json()["field"]) == (400, "rows[].label")


def test_a_whole_number_may_be_written_with_a_point(lab: Lab):
    with lab.client() as client:
        answer = client.post("/predict/lab/images", content=b'{"rows": [{"label": 5.0}]}')
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"rows": NaN}', b"\xff", b"1", b"[" * 5000])
def test_what_is_no_object_of_json_is_refused(lab: Lab, body: bytes):
    with lab.client() as client:
        answer = client.post("/predict/lab/classify", content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_feedback_is_taken_for_an_id_of_a_request(lab: Lab):
    with lab.client() as client:
        answer = client.post("/predict/lab/classify", json={"rows": [{"text": "Who?"}]})
        mark = answer.headers["x-request-id"]
        told = client.post(f"/feedback/{mark}", json={"label": "question"})
        assert told.status_code == 202
        assert told.json() == {"request_id": mark, "accepted": True, "kept": "full"}
        assert client.post(f"/feedback/{uuid.uuid4().hex}", json={"label": 1}).status_code == 400
        for body in ({}, {"label": 1, "x": 2}, {"label": "a" * 70_000}):
            answer = client.post(f"/feedback/{mark}", json=body)
            assert (answer.status_code, answer.json()["field"]) == (400, "label")
        deep = b'{"label": ' + b"[" * 900 + b"]" * 900 + b"}"
        assert client.post(f"/feedback/{mark}", content=deep).status_code == 400


def test_feedback_is_kept_as_the_endpoint_asks_or_refused_where_nobody_knows_which(lab: Lab):
    mark = uuid7()
    lab.put(lab.loaded("rows", version=1, model="hashing"), privacy="hash")
    lab.put(lab.loaded("rows", version=1, model="forgetting"), privacy="off")
    lab.followed()
    with lab.client(lab.new_key(project="*")) as client:

        def told(**more: object) -> tuple[int, object]:
            answer = client.post(f"/feedback/{mark}", json={"label": 1, **more})
            return answer.status_code, answer.json().get("kept", answer.json().get("field"))

        assert told() == (400, "model")
        assert told(model="lab.rows") == (202, "full")
        assert told(model="lab.hashing") == (202, "hashed")
        assert told(model="lab.forgetting") == (202, "dropped")
        assert told(model="lab.nothing") == (404, "model")
        assert told(model=7) == (400, "model")
    with lab.client() as client:
        assert client.post(f"/feedback/{mark}", json={"label": 1}).json()["kept"] == "hashed"
    for model in ("hashing", "forgetting"):
        del lab.routes[f"lab.{model}"]
    lab.publish()
    lab.followed()


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([], "full"),
        (["full", "sample"], "sample"),
        (["full", "hash", "sample"], "hash"),
        (["full", "off"], "hash"),
        (["hash", "off"], "hash"),
        (["off", "off"], "off"),
    ],
)
def test_one_endpoint_that_keeps_nothing_does_not_cost_the_labels_of_the_others(
    found: list[Privacy], kept: Privacy
):
    assert strictest(found) == kept


def test_a_uuid7_of_now_is_kept_as_id_and_nothing_else(lab: Lab):
    with lab.client() as client:
        first = client.get("/v2").headers["x-request-id"]
        dashed = str(uuid.UUID(first)).upper()
        kept = client.get("/v2", headers={"X-Request-Id": dashed})
        assert kept.headers["x-request-id"] == first
        for other in ("abc", str(uuid.uuid4()), "0" * 12 + first[12:], first + "\t;x"):
            answer = client.get("/v2", headers={"X-Request-Id": other})
            assert answer.headers["x-request-id"] not in (other, first)
