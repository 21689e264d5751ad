"""The OpenAPI 3.1 document: paths for any endpoint, told as they are read and answered."""

from collections.abc import Mapping
from typing import Any

from services.gateway import arrays, metrics, routing
from services.gateway.routing import Spec

Said = dict[str, Any]


def _ref(name: str) -> Said:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Any], required: tuple[str, ...] = (), **more: Any) -> Said:  # noqa: ANN401
    return {"type": "object", "properties": dict(properties), "required": list(required), **more}


def _list(items: Mapping[str, Any], **more: Any) -> Said:  # noqa: ANN401
    return {"type": "array", "items": dict(items), **more}


_TEXT: Said = {"type": "string"}
_NAME: Said = {"type": "string", "minLength": 1}
_WHOLE: Said = {"type": "integer"}
_SCALARS: Said = {
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_DATATYPE: Said = {"type": "string", "enum": [*arrays.TYPES, arrays.TEXT]}
_SHAPE: Said = _list({"type": "integer", "minimum": 0}, minItems=1, maxItems=8)
_MAYBE: Said = {"type": ["integer", "null"]}
_USAGE: Said = _object(
    {"prompt_tokens": _MAYBE, "completion_tokens": _MAYBE, "total_tokens": _MAYBE}
)
_SAMPLING: Said = {
    "model": _NAME,
    "stream": {"type": ["boolean", "null"]},
    "stream_options": {"type": ["object", "null"]},
    "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
    "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 4096},
    "seed": {"type": ["integer", "null"], "minimum": 0},
    "stop": {"anyOf": [_TEXT, _list(_TEXT, maxItems=4), {"type": "null"}]},
}

SCHEMAS: dict[str, Said] = {
    "Problem": _object(
        {
            "type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT, "error": _TEXT,
            "request_id": _TEXT, "field": _TEXT,
        },
        ("type", "title", "status", "detail"),
        description="RFC 9457; `field` names what is wrong in the request.",
    ),
    "OpenAIError": _object(
        {
            "error": _object(
                {
                    "message": _TEXT, "type": _TEXT, "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                },
                ("message", "type"),
            )
        },
        ("error",),
    ),
    "Server": _object(
        {"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)},
        ("name", "version", "extensions"),
    ),
    "Live": _object({"live": {"type": "boolean"}}, ("live",)),
    "Ready": _object({"name": _TEXT, "ready": {"type": "boolean"}}, ("ready",)),
    "Column": _object(
        {
            "name": _TEXT, "datatype": _DATATYPE,
            "shape": _list({"type": "integer", "minimum": -1}),
            "parameters": {"type": "object"},
        },
        ("name", "datatype", "shape"),
    ),
    "ModelMetadata": _object(
        {
            "name": _TEXT, "versions": _list(_TEXT), "platform": _TEXT,
            "inputs": _list(_ref("Column")), "outputs": _list(_ref("Column")),
            "parameters": {"type": "object"},
        },
        ("name", "platform", "inputs", "outputs"),
    ),
    "InferRequest": _object(
        {
            "id": {"type": ["string", "null"]},
            "parameters": _SCALARS,
            "inputs": _list(
                _object(
                    {
                        "name": _TEXT, "datatype": _DATATYPE, "shape": _SHAPE,
                        "data": {"type": "array"}, "parameters": _SCALARS,
                    },
                    ("name", "datatype", "shape"),
                ),
                minItems=1,
            ),
            "outputs": {
                "type": ["array", "null"],
                "items": _object({"name": _TEXT, "parameters": _SCALARS}, ("name",)),
            },
        },
        ("inputs",),
    ),
    "InferResponse": _object(
        {
            "id": _TEXT, "model_name": _TEXT, "model_version": _TEXT,
            "parameters": {"type": "object"},
            "outputs": _list(
                _object(
                    {"name": _TEXT, "datatype": _DATATYPE, "shape": _SHAPE,
                     "data": {"type": "array"}, "parameters": {"type": "object"}},
                    ("name", "datatype", "shape"),
                )
            ),
        },
        ("model_name", "outputs"),
    ),
    "PredictRequest": _object(
        {
            "rows": _list({"type": "object"}, minItems=1),
            "columns": {
                "type": "object", "additionalProperties": {"type": "array"}, "minProperties": 1,
            },
            "images": {"type": "string", "enum": ["png", "numbers"]},
            "parameters": _SCALARS,
        },
        additionalProperties=False,
        oneOf=[{"required": ["rows"]}, {"required": ["columns"]}],
    ),
    "PredictResponse": _object(
        {
            "rows": _list({"type": "object"}), "columns": {"type": "object"}, "request_id": _TEXT,
            "model": _TEXT, "version": _WHOLE, "backend": _TEXT,
        },
        ("request_id", "model", "version", "backend"),
    ),
    "FeedbackRequest": _object(
        {"label": {}, "model": _TEXT}, ("label",), additionalProperties=False
    ),
    "FeedbackResponse": _object(
        {"request_id": _TEXT, "accepted": {"type": "boolean"}, "kept": _TEXT},
        ("request_id", "accepted", "kept"),
    ),
    "Model": _object(
        {"id": _TEXT, "object": _TEXT, "created": _WHOLE, "owned_by": _TEXT}, ("id", "object")
    ),
    "Models": _object({"object": _TEXT, "data": _list(_ref("Model"))}, ("object", "data")),
    "ChatRequest": _object(
        {
            **_SAMPLING,
            "messages": _list(
                _object(
                    {
                        "role": {"enum": ["system", "developer", "user", "assistant"]},
                        "content": {"anyOf": [_TEXT, _list(_object({"text": _TEXT}, ("text",)))]},
                    },
                    ("role", "content"),
                ),
                minItems=1,
            ),
        },
        ("model", "messages"),
    ),
    "CompletionRequest": _object(
        {**_SAMPLING, "prompt": {"anyOf": [_TEXT, _list(_TEXT, minItems=1, maxItems=1)]}},
        ("model", "prompt"),
    ),
    "Generated": _object(
        {"id": _TEXT, "object": _TEXT, "created": _WHOLE, "model": _TEXT, "usage": _USAGE,
         "choices": _list({"type": "object"})},
        ("id", "object", "choices"),
    ),
    "EmbeddingsRequest": _object(
        {
            "model": _NAME,
            "input": {"anyOf": [_TEXT, _list(_TEXT, minItems=1, maxItems=2048)]},
            "encoding_format": {"type": "string", "enum": ["float", "base64"]},
        },
        ("model", "input"),
    ),
    "Embeddings": _object(
        {"object": _TEXT, "data": _list({"type": "object"}), "model": _TEXT, "usage": _USAGE},
        ("object", "data", "model"),
    ),
    "Health": _object(
        {"status": _TEXT, "problems": _list(_TEXT), "endpoints": _WHOLE}, ("status", "problems")
    ),
    "Any": {"type": "object"},
}  # fmt: skip

_BODIES: dict[str, tuple[str | None, str]] = {
    "infer": ("InferRequest", "InferResponse"),
    "predict": ("PredictRequest", "PredictResponse"),
    "feedback": ("FeedbackRequest", "FeedbackResponse"),
    "chat": ("ChatRequest", "Generated"),
    "completions": ("CompletionRequest", "Generated"),
    "embeddings": ("EmbeddingsRequest", "Embeddings"),
    "server": (None, "Server"),
    "live": (None, "Live"),
    "ready": (None, "Ready"),
    "model_ready": (None, "Ready"),
    "models": (None, "Models"),
    "health": (None, "Health"),
    "openapi": (None, "Any"),
}
_STATUS = {
    "400": "What was sent cannot be used; `field` says where.",
    "401": "No API key, or none that is good.",
    "404": "No such endpoint or version, or not for this key.",
    "408": "The request came too slowly.",
    "413": "The body is too large.",
    "415": "Its Content-Encoding is not read.",
    "421": "The Host is not one of this gateway's.",
    "429": "Too many requests; Retry-After says when to ask again.",
    "431": "The headers are too large.",
    "500": "The model failed.",
    "502": "The model server was lost, or answered what cannot be read.",
    "503": "No model server, or no room; Retry-After says when to ask again.",
    "504": "The deadline passed.",
}
_WITH_KEY = tuple(_STATUS)
_WITHOUT_KEY = ("400", "408", "421", "431", "503")


def document() -> Said:
    """Return the whole document."""
    paths: dict[str, Said] = {}
    for spec in routing.SPECS:
        paths.setdefault(spec.path, {})[spec.method.lower()] = _operation(spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "EfficientAI-MLOps gateway", "version": "1",
            "description": "Registered models in service: Open Inference Protocol v2, OpenAI's "
            "routes, and plain JSON.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "headers": {
                "X-Request-Id": {"schema": _TEXT}, "Retry-After": {"schema": _WHOLE},
                "X-Model-Version": {"schema": _WHOLE}, "X-Backend": {"schema": _TEXT},
            },
        },
    }  # fmt: skip


def _operation(spec: Spec) -> Said:
    handler = spec.handler.__name__
    area = spec.handler.__module__.rpartition(".")[2]
    takes, gives = _kind(area, handler)
    said: Said = {
        "operationId": "_".join(
            [area, handler, *(["version"] if "{version}" in spec.path else [])]
        ),
        "summary": (spec.handler.__doc__ or "").strip().partition("\n")[0],
        "tags": [area],
        "parameters": _parameters(spec),
        "responses": _responses(spec, handler, gives),
        "security": [{"bearer": []}, {"header": []}] if spec.key else [],
    }
    if takes is not None:
        content: Said = {"application/json": {"schema": _ref(takes)}}
        if handler == "infer":
            # JSON and tensors behind it: `Inference-Header-Content-Length` splits them.
            content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
        said["requestBody"] = {"required": True, "content": content}
    return said


def _kind(area: str, handler: str) -> tuple[str | None, str]:
    if handler == "model":
        return None, "Model" if area == "openai" else "ModelMetadata"
    return _BODIES.get(handler, (None, "Any"))


def _parameters(spec: Spec) -> list[Said]:
    found: list[Said] = []
    for part in spec.parts:
        if part.startswith("{"):
            name = part[1:-1]
            schema: Said = {"type": "string", "minLength": 1}
            if name == "version":
                schema["pattern"] = "^[0-9]{1,9}$"
            if name == "request_id":
                schema["pattern"] = "^[0-9a-f]{12}7[0-9a-f]{19}$"
            found.append({"name": name, "in": "path", "required": True, "schema": schema})
    if spec.method == "POST" and spec.key and "feedback" not in spec.path:
        found += [
            _header("X-Deadline-Ms", {"type": "number", "minimum": 1, "maximum": 600_000}),
            _header("X-Model-Version", {"type": "string", "pattern": "^[0-9]{1,9}$"}),
            _header("X-Session-Id", {"type": "string", "maxLength": 200}),
        ]
    return found


def _header(name: str, schema: Said) -> Said:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _responses(spec: Spec, handler: str, gives: str) -> Said:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    content: Said = {"application/json": {"schema": _ref(gives)}}
    if handler == "metrics":
        content = {metrics.MEDIA.decode(): {"schema": _TEXT}}
    elif handler == "infer":
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    elif gives == "Generated":
        content["text/event-stream"] = {"schema": {}}  # events of OpenAI's, and [DONE]
    good = "202" if handler == "feedback" else "200"
    found = {good: {"description": "The answer.", "headers": headers, "content": content}}
    errors = _WITH_KEY if spec.key else _WITHOUT_KEY
    if handler == "metrics":
        errors = ("401", *errors)
    for status in errors:
        found[status] = _error(spec, handler, status)
    return found


def _error(spec: Spec, handler: str, status: str) -> Said:
    media, schema = "application/problem+json", _ref("Problem")
    content: Said = {media: {"schema": schema}}
    if spec.openai:
        content["application/json"] = {"schema": _ref("OpenAIError")}
    elif status == "400" and handler in {"ready", "model_ready"}:
        content["application/json"] = {"schema": _ref("Ready")}
    return {"description": _STATUS[status], "content": content}
