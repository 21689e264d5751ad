"""The Open Inference Protocol, by hand and through Triton's own client."""

import json

import numpy as np
import pytest

from tests.services.gateway.lab import Lab

pytestmark = pytest.mark.engine

INPUT = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": [1, 2, 3, 4, 5, 6, 7, 8]}


def test_tensors_as_json_come_back_as_json(lab: Lab):
    with lab.client() as client:
        answer = client.post("/v2/models/lab.rows/infer", json={"id": "a", "inputs": [INPUT]})
    said = answer.json()
    assert answer.status_code == 200, said
    assert said["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [2], "data": [20.0, 52.0]}
    ]
    assert (said["id"], said["model_name"], said["model_version"]) == ("a", "lab.rows", "1")
    assert said["parameters"]["backend"] == "cpu"
    assert answer.headers["x-model-version"] == "1"
    assert answer.headers["x-backend"] == "cpu"
    assert said["parameters"]["request_id"] == answer.headers["x-request-id"]


def test_nested_data_are_the_same_tensor(lab: Lab):
    nested = {**INPUT, "data": [[1, 2, 3, 4], [5, 6, 7, 8]]}
    with lab.client() as client:
        answer = client.post("/v2/models/lab.rows/versions/1/infer", json={"inputs": [nested]})
    assert answer.json()["outputs"][0]["data"] == [20.0, 52.0]


def test_binary_tensors_follow_the_json(lab: Lab):
    values = np.arange(8, dtype="<f4")
    told = {k: v for k, v in INPUT.items() if k != "data"}
    told["parameters"] = {"binary_data_size": values.nbytes}
    wanted = [{"name": "y", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [told], "outputs": wanted}).encode()
    with lab.client() as client:
        answer = client.post(
            "/v2/models/lab.rows/infer", content=head + values.tobytes(),
            headers={"Inference-Header-Content-Length": str(len(head))},
        )  # fmt: skip
    split = int(answer.headers["inference-header-content-length"])
    said = json.loads(answer.content[:split])
    assert said["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(answer.content[split:], "<f4").tolist() == [12.0, 44.0]


def test_server_and_model_tell_of_themselves(lab: Lab):
    with lab.client() as client:
        assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
        assert client.get("/v2/health/live").json() == {"live": True}
        assert client.get("/v2/health/ready").json() == {"ready": True}
        said = client.get("/v2/models/lab.rows").json()
        assert said["name"] == "lab.rows"
        assert said["versions"] == ["1"]
        assert said["inputs"][0]["shape"] == [-1, 4]
        assert client.get("/v2/models/lab.rows/versions/1/ready").json()["ready"] is True
        assert client.get("/v2/models/lab.rows/versions/7").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "z"}, "inputs.z"),
        ({"datatype": "FP64"}, "inputs.x"),
        ({"datatype": "FLOAT"}, "inputs.x.datatype"),
        ({"shape": [4, 2]}, "inputs.x"),
        ({"shape": [2, 5]}, "inputs.x"),
        ({"shape": [8]}, "inputs.x"),
        ({"shape": [-1, 4]}, "inputs.x.shape"),
        ({"shape": "2x4"}, "inputs.x.shape"),
        ({"shape": [0, 4], "data": []}, "inputs.x"),
        ({"data": [1, 2, 3]}, "inputs.x"),
        ({"data": [1, 2, 3, 4, 5, 6, 7, "8"]}, "inputs.x"),
        ({"data": [1, 2, 3, 4, 5, 6, 7, None]}, "inputs.x"),
        ({"data": [1, 2, 3, 4, 5, 6, 7, True]}, "inputs.x"),
        ({"data": [[1, 2, 3, 4], [5, 6, 7]]}, "inputs.x"),
        ({"data": [1, 2, 3, 4, 5, 6, 7, 1e39]}, "inputs.x"),
        ({"data": [1, 2, 3, 4, 5, 6, 7, 1001]}, "inputs.x"),
        ({"data": None}, "inputs.x"),
        ({"parameters": {"binary_data_size": 4}}, "inputs.x"),
        ({"parameters": {"shared_memory_region": "a"}}, "inputs.x.parameters"),
        ({"parameters": [1]}, "inputs.x.parameters"),
        ({"name": 3}, "inputs[0]"),
    ],
)
def test_what_is_wrong_is_named(lab: Lab, change: dict, field: str):
    with lab.client() as client:
        answer = client.post("/v2/models/lab.rows/infer", json={"inputs": [{**INPUT, **change}]})
    said = answer.json()
    assert (answer.status_code, said["field"]) == (400, field), said
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["error"] == said["detail"]  # what Triton's client shows


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_binary_numbers_must_be_finite(lab: Lab, value: float):
    values = np.full((1, 4), value, dtype="<f4")
    told = {
        "name": "x",
        "datatype": "FP32",
        "shape": [1, 4],
        "parameters": {"binary_data_size": 16},
    }
    head = json.dumps({"inputs": [told]}).encode()
    with lab.client() as client:
        answer = client.post(
            "/v2/models/lab.rows/infer", content=head + values.tobytes(),
            headers={"Inference-Header-Content-Length": str(len(head))},
        )  # fmt: skip
    assert (answer.status_code, answer.json()["field"]) == (400, "inputs.x")


@pytest.mark.parametrize("length", ["-1", "x", "99999", "٣", "1e3"])
def test_a_length_that_is_none_is_refused(lab: Lab, length: str):
    with lab.client() as client:
        answer = client.post(
            "/v2/models/lab.rows/infer", content=b"{}",
            headers={"Inference-Header-Content-Length": length.encode()},
        )  # fmt: skip
    assert answer.status_code == 400
    assert answer.json()["field"] == "Inference-Header-Content-Length"


def test_tritons_client_works_as_it_is(lab: Lab):
    http = pytest.importorskip("tritonclient.http")

    def headers() -> dict[str, str]:  # each its own: the client writes into it
        return {"Authorization": f"Bearer {lab.key}"}

    client = http.InferenceServerClient(f"127.0.0.1:{lab.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("lab.rows", headers=headers())
        assert client.get_server_metadata()["version"] == "2"
        assert client.get_model_metadata("lab.rows", headers=headers())["inputs"][0]["name"] == "x"
        values = np.arange(8, dtype=np.float32).reshape(2, 4)
        for binary in (True, False):
            given = http.InferInput("x", [2, 4], "FP32")
            given.set_data_from_numpy(values, binary_data=binary)
            found = client.infer("lab.rows", [given], headers=headers())
            assert found.as_numpy("y").tolist() == [12.0, 44.0]
            wanted = [http.InferRequestedOutput("y", binary_data=binary)]
            found = client.infer("lab.rows", [given], outputs=wanted, headers=headers(),
                                 model_version="1", request_id="mine")  # fmt: skip
            assert found.as_numpy("y").tolist() == [12.0, 44.0]
            assert found.get_response()["id"] == "mine"
        texts = http.InferInput("text", [2], "BYTES")
        texts.set_data_from_numpy(np.array(["Who?", "Me."], dtype=object))
        found = client.infer("lab.classify", [texts], headers=headers())
        assert found.as_numpy("label").tolist() == [b"question", b"statement"]
        for packing in ("gzip", "deflate"):
            found = client.infer("lab.classify", [texts], headers=headers(),
                                 request_compression_algorithm=packing)  # fmt: skip
            assert found.as_numpy("label").tolist() == [b"question", b"statement"]
        from tritonclient.utils import InferenceServerException

        with pytest.raises(InferenceServerException, match="no input 'text'"):
            client.infer("lab.rows", [texts], headers=headers())
    finally:
        client.close()
