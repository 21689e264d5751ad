"""Ready to paste: the same question by each of the three ways, for the shell and for Python."""

import json
from collections.abc import Mapping
from typing import Any

from services.serving.models import BundleInfo, Field
from services.serving.visiting import body_of

OIP, PLAIN, OPENAI = "Open Inference", "Plain JSON", "OpenAI"
_KEY = "$MLOPS_API_KEY"
_LONG = 12
_TYPES = {
    "BOOL": "bool", "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64", "BYTES": "object",
}  # fmt: skip


def ways(info: BundleInfo) -> tuple[str, ...]:
    """Return by which of the three a version can be asked."""
    speaks = info.interface in {"text", "embeddings"}
    return (OIP, PLAIN, OPENAI) if speaks else (OIP, PLAIN)


def example(info: BundleInfo) -> dict[str, list[Any]]:
    """Return columns that the version answers: its own example, else made from its fields."""
    known = {name: list(rows)[:2] for name, rows in info.example.items() if isinstance(rows, list)}
    if known:
        return known
    needed = [one for one in info.inputs if not one.optional] or list(info.inputs[-1:])
    return {one.name: [_value(one)] for one in needed}


def _value(one: Field) -> Any:  # noqa: ANN401 - of the schema
    if one.example is not None:
        return one.example
    if one.choices:
        return one.choices[0]
    scalar: object = "text" if one.datatype == "BYTES" else one.min if one.min is not None else 0
    if one.datatype.startswith(("INT", "UINT")) and isinstance(scalar, int | float):
        scalar = int(scalar)
    for each in reversed(one.shape[1:]):
        scalar = [scalar] * max(1, each)
    return scalar


def curl(way: str, url: str, info: BundleInfo) -> str:
    """Return the command that asks by one of the ways."""
    path, body = _plan(way, info)
    return "\n".join(
        (
            f"curl {url}{path} \\",
            f'  -H "Authorization: Bearer {_KEY}" \\',
            "  -H 'Content-Type: application/json' \\",
            f"  -d '{_quoted(_shell(body))}'",
        )
    )


def python(way: str, url: str, info: BundleInfo) -> str:
    """Return a program that asks by one of the ways."""
    if way == OIP:
        return _triton(url, info)
    return _openai(url, info) if way == OPENAI else _plain(url, info)


def name_of(info: BundleInfo) -> str:
    """Return the name under which the gateway serves it."""
    return f"{info.project}.{info.model}"


def _plan(way: str, info: BundleInfo) -> tuple[str, Mapping[str, Any]]:
    columns, name = example(info), name_of(info)
    if way == OIP:
        return f"/v2/models/{_path(name)}/infer", body_of(columns, info.inputs)
    if way == PLAIN:
        return f"/predict/{_path(info.project)}/{_path(info.model)}", {"rows": rows_of(columns)}
    if info.interface == "embeddings":
        return "/v1/embeddings", {"model": name, "input": _text(columns)}
    said = {"model": name, "prompt": _text(columns), "max_tokens": 64, "stream": True}
    return "/v1/completions", said


def rows_of(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return columns as rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=False)]


def _path(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _text(columns: Mapping[str, list[Any]]) -> str:
    return next((row for rows in columns.values() for row in rows if isinstance(row, str)), "text")


def _shell(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def _triton(url: str, info: BundleInfo) -> str:
    address = url.removeprefix("http://").removeprefix("https://")
    lines = [
        "import os",
        "",
        "import numpy as np",
        "from tritonclient.http import InferenceServerClient, InferInput",
        "",
        f"client = InferenceServerClient({address!r})",
        "inputs = []",
    ]
    known = {one.name: one for one in info.inputs}
    for name, rows in example(info).items():
        kind = known[name].datatype
        lines += [
            f"values = np.array({_literal(rows)}, dtype=np.{_TYPES.get(kind, 'float32')})",
            f"inputs.append(InferInput({name!r}, values.shape, {kind!r}))",
            "inputs[-1].set_data_from_numpy(values)",
        ]
    lines += [
        'headers = {"Authorization": f"Bearer {os.environ[\'MLOPS_API_KEY\']}"}',
        f"answer = client.infer({name_of(info)!r}, inputs, headers=headers)",
    ]
    lines += [f"print(answer.as_numpy({one.name!r}))" for one in info.outputs]
    return "\n".join(lines)


def _plain(url: str, info: BundleInfo) -> str:
    path, _ = _plan(PLAIN, info)
    return "\n".join(
        (
            "import os",
            "",
            "import httpx",
            "",
            "answer = httpx.post(",
            f"    {url + path!r},",
            f'    json={{"rows": {_literal(rows_of(example(info)))}}},',
            '    headers={"Authorization": f"Bearer {os.environ[\'MLOPS_API_KEY\']}"},',
            ")",
            "answer.raise_for_status()",
            "print(answer.json())",
            'print(answer.headers["x-request-id"])  # for feedback: POST /feedback/ID',
        )
    )


def _openai(url: str, info: BundleInfo) -> str:
    name, text = name_of(info), _text(example(info))
    head = [
        "import os",
        "",
        "from openai import OpenAI",
        "",
        f'client = OpenAI(base_url={url + "/v1"!r}, api_key=os.environ["MLOPS_API_KEY"])',
    ]
    if info.interface == "embeddings":
        rest = [
            f"answer = client.embeddings.create(model={name!r}, input={text!r})",
            "print(answer.data[0].embedding)",
        ]
    else:
        rest = [
            "stream = client.completions.create(",
            f"    model={name!r}, prompt={text!r}, max_tokens=64, stream=True",
            ")",
            "for piece in stream:",
            '    print(piece.choices[0].text, end="", flush=True)',
        ]
    return "\n".join([*head, *rest])


def _literal(value: object) -> str:
    """Return a value as Python writes it; a long list of one number as a product."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {_literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        if len(value) > _LONG and all(one == value[0] for one in value):
            return f"[{_literal(value[0])}] * {len(value)}"
        return f"[{', '.join(_literal(one) for one in value)}]"
    return repr(value)
