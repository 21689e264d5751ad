"""The Open Inference Protocol, version 2, over REST: with tensors as JSON, or binary behind it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson

from services.gateway import arrays, writing
from services.gateway.apart import Form, asked
from services.gateway.contract import Contract, Given, Prepared
from services.gateway.gateway import Answered, Gateway, scalars
from services.gateway.http import JSON, Reply, Request, parsed
from services.gateway.problems import Problem, bad
from services.serving.models import Field
from services.serving.routes import Route, VersionRoute
from services.serving.store import ApiKey

NAME = "EfficientAI-MLOps"
VERSION = "2"
EXTENSIONS = ("binary_tensor_data",)
LENGTH = b"inference-header-content-length"
_OWN = {"binary_data", "binary_data_size", "binary_data_output"}
_REFUSED = {"shared_memory_region", "classification"}


async def server(_gateway: Gateway, _request: Request) -> Reply:
    """Say what this server is."""
    return _json({"name": NAME, "version": VERSION, "extensions": EXTENSIONS})


async def live(_gateway: Gateway, _request: Request) -> Reply:
    """Say that the gateway runs."""
    return _json({"live": True})


async def ready(gateway: Gateway, _request: Request) -> Reply:
    """Say whether requests can be answered: 400 for no, as the protocol has it."""
    good = gateway.keys.fresh and gateway.follower.routes.serial > 0
    return _json({"ready": good}, 200 if good else 400)


async def model(
    gateway: Gateway, request: Request, key: ApiKey, name: str, version: str = ""
) -> Reply:
    """Tell of a model."""
    route = gateway.route(request, key, name)
    loaded = _loaded(gateway, request, route, version)
    info = loaded.info
    said = {
        "name": route.name,
        "versions": [str(one) for one in sorted(route.versions)],
        "platform": f"{loaded.backend}_{info.format}",
        "inputs": [_column(one) for one in info.inputs],
        "outputs": [_column(one) for one in info.outputs],
        "parameters": {
            "title": info.title, "interface": info.interface, "version": str(loaded.version),
            "backend": loaded.backend, "backend_reason": loaded.backend_reason,
        },
    }  # fmt: skip
    return _json(said)


async def model_ready(
    gateway: Gateway, request: Request, key: ApiKey, name: str, version: str = ""
) -> Reply:
    """Say whether a model answers; one that is idle does, when it is asked."""
    route = gateway.route(request, key, name)
    loaded = _loaded(gateway, request, route, version)
    good = route.idle or bool(loaded.replicas)
    return _json({"name": route.name, "ready": good}, 200 if good else 400)


def _loaded(gateway: Gateway, request: Request, route: Route, version: str) -> VersionRoute:
    question = gateway.question(request, route, lambda _contract: Prepared((), 0, {}), version)
    pinned = route.primary if question.pinned is None else question.pinned
    found = route.versions.get(pinned)
    if found is None:
        raise Problem("not-found", f"{route.name} has no such version in service.", field="version")
    request.seen.version, request.seen.backend = found.version, found.backend
    return found


def _column(field: Field) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": field.name, "datatype": field.datatype, "shape": list(field.shape),
    }  # fmt: skip
    more = {
        "title": field.title, "min": field.min, "max": field.max, "choices": list(field.choices),
        "optional": field.optional, "image": field.image,
    }  # fmt: skip
    known = {name: value for name, value in more.items() if value not in (None, "", [], False)}
    return {**said, "parameters": known} if known else said


# Inference


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that was asked for."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class Call:
    """What an infer request says."""

    id: str | None
    inputs: list[Given]
    outputs: list[Wanted] | None
    """None: all of them."""
    binary: bool
    """Whether outputs that were not named come as binary data."""
    parameters: Mapping[str, Any]

    def prepare(self, contract: Contract) -> Prepared:
        """Return what the model is asked.

        Raises:
            Problem: It is not what the version takes.
        """
        _see_outputs(contract, self)
        return contract.prepare(self.inputs, self.parameters)

    def rest(self) -> dict[str, Any]:
        """Return what the reply needs of it."""
        outputs = None if self.outputs is None else [asdict(one) for one in self.outputs]
        return {"id": self.id, "outputs": outputs, "binary": self.binary}


async def infer(
    gateway: Gateway, request: Request, key: ApiKey, name: str, version: str = ""
) -> Reply:
    """Ask a model."""
    route = gateway.route(request, key, name)
    body = await gateway.body(request, route.max_body_bytes)
    call, question = await asked(
        gateway, request, route, FORM, body, _json_bytes(request, body), version
    )
    answered = await gateway.ask(request, key, route, question, "oip")
    reply = await written(answered, call, request.id)
    reply.after = lambda: gateway.shadow(request, answered, key, "oip")
    return reply


def _json_bytes(request: Request, body: bytes) -> int:
    split = request.header(LENGTH)
    if split and (not split.isdecimal() or len(split) > 12 or int(split) > len(body)):
        raise bad(
            "It is not the length of the JSON in this body.", "Inference-Header-Content-Length"
        )
    return int(split) if split else len(body)


def read(body: bytes, json_bytes: int) -> Call:
    """Return what a request says; binary tensors lie behind its JSON.

    Raises:
        Problem: It is not of the protocol.
    """
    said = parsed(body[:json_bytes])
    behind = body[json_bytes:]
    inputs = _inputs(said.get("inputs"), behind)
    parameters = scalars(said.get("parameters"), "parameters")
    call_id = said.get("id")
    if call_id is not None and not isinstance(call_id, str):
        raise bad("It is a text.", "id")
    return Call(
        call_id, inputs, _outputs(said.get("outputs")),
        parameters.get("binary_data_output") is True,
        {name: value for name, value in parameters.items() if name not in _OWN},
    )  # fmt: skip


def _again(rest: Mapping[str, Any]) -> Call:
    outputs = rest["outputs"]
    wanted = None if outputs is None else [Wanted(**one) for one in outputs]
    return Call(rest["id"], [], wanted, rest["binary"], {})


FORM = Form("oip", read, _again)


def _inputs(said: Any, behind: bytes) -> list[Given]:  # noqa: ANN401
    if not isinstance(said, list) or not said:
        raise bad("`inputs` is a list with at least one tensor.", "inputs")
    found, at = [], 0
    for place, one in enumerate(said):
        where = f"inputs[{place}]"
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise bad("A tensor is an object with a `name`.", where)
        name = one["name"]
        where = f"inputs.{name[:100]}"
        parameters = scalars(one.get("parameters"), f"{where}.parameters")
        _see_supported(parameters, where)
        size = parameters.get("binary_data_size")
        if size is None:
            data = one.get("data")
            if not isinstance(data, list):
                raise bad("It has neither a list `data` nor `binary_data_size`.", where)
        else:
            if (
                isinstance(size, bool)
                or not isinstance(size, int)
                or not 0 <= size <= len(behind) - at
            ):
                raise bad("Its binary_data_size is more than follows the JSON.", where)
            data, at = behind[at : at + size], at + size
        found.append(Given(name, data, where, _datatype(one, where), _shape(one, where)))
    if at != len(behind):
        raise bad(f"{len(behind) - at} bytes follow the last binary tensor.", "inputs")
    return found


def _datatype(one: Mapping[str, Any], where: str) -> str:
    datatype = one.get("datatype")
    if not isinstance(datatype, str) or (datatype != arrays.TEXT and datatype not in arrays.TYPES):
        raise bad(f"Its datatype is one of {', '.join([*arrays.TYPES, arrays.TEXT])}.",
                  f"{where}.datatype")  # fmt: skip
    return datatype


def _shape(one: Mapping[str, Any], where: str) -> tuple[int, ...]:
    shape = one.get("shape")
    good = (
        isinstance(shape, list)
        and 0 < len(shape) <= 8
        and all(type(size) is int and 0 <= size <= arrays.MOST for size in shape)
    )
    if not good or shape is None:
        raise bad("Its shape is a list of one to eight whole numbers.", f"{where}.shape")
    return tuple(shape)


def _see_supported(parameters: Mapping[str, Any], where: str) -> None:
    strange = _REFUSED & parameters.keys()
    if strange:
        raise bad(f"{next(iter(strange))} is not supported here.", f"{where}.parameters")


def _outputs(said: Any) -> list[Wanted] | None:  # noqa: ANN401
    if said is None:
        return None
    if not isinstance(said, list):
        raise bad("`outputs` is a list.", "outputs")
    found = []
    for place, one in enumerate(said):
        where = f"outputs[{place}]"
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise bad("An output is an object with a `name`.", where)
        parameters = scalars(one.get("parameters"), f"{where}.parameters")
        _see_supported(parameters, where)
        found.append(Wanted(one["name"], parameters.get("binary_data") is True))
    return found or None


def _see_outputs(contract: Contract, call: Call) -> None:
    known = {one.name for one in contract.info.outputs}
    for place, one in enumerate(call.outputs or ()):
        if known and one.name not in known:
            raise bad(
                f"There is no output {one.name[:100]!r}; there is {', '.join(sorted(known)[:8])}.",
                f"outputs[{place}].name",
            )


async def written(answered: Answered, call: Call, request_id: str) -> Reply:
    """Return the reply of an answer."""
    tensors = {one.name: one for one in answered.answer.outputs}
    wanted = call.outputs or [Wanted(name, call.binary) for name in tensors]
    told, behind = [], []
    for one in wanted:
        tensor = tensors.get(one.name)
        if tensor is None:
            continue
        said: dict[str, Any] = {
            "name": one.name, "datatype": tensor.datatype, "shape": tensor.shape,
        }  # fmt: skip
        if one.binary:
            said["parameters"] = {"binary_data_size": len(tensor.data)}
            behind.append(tensor.data)
        else:
            said["data"] = await writing.listed(flat(answered.outputs[one.name]))
        told.append(said)
    document = {
        "id": call.id or request_id,
        "model_name": answered.route.name,
        "model_version": str(answered.loaded.version),
        "outputs": told,
        "parameters": {"backend": answered.loaded.backend, "request_id": request_id},
    }
    body = writing.dumped(document)
    if not behind:
        return Reply(body)
    length = (LENGTH, b"%d" % len(body))
    return Reply(b"".join((body, *behind)), media=b"application/octet-stream", headers=[length])


def flat(values: Any) -> Any:  # noqa: ANN401
    """Return an output's elements one after another."""
    if isinstance(values, np.ndarray):
        return values.ravel()
    return np.array(values, dtype=object).ravel().tolist() if values else values


def _json(said: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(orjson.dumps(said), status, JSON)
