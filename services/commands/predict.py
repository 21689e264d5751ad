"""``mlops predict``: ask a model through the gateway, as any application does."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.commands.endpoint_names import SPEC, Named, parse
from services.commands.output import print_json, sentences
from services.errors import EngineError, EngineProtocolError, EngineUnreachableError, InputError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 120.0
_LONGEST = 128 << 20


@click.command()
@click.argument("name", metavar=SPEC)
@click.option("--input", "file", required=True, metavar="FILE", help="JSON or CSV; - is stdin.")
@click.option("--version", type=click.IntRange(1), help="Another version that is loaded.")
@click.option("--png", is_flag=True, help="Pictures in the answer as PNG instead of numbers.")
@sentences
def predict(*, name: str, file: str, version: int | None, png: bool) -> None:
    """Ask a model and print its answer as JSON.

    FILE holds {"rows": [{…}, …]}, {"columns": {…}}, a list of rows, one row, or CSV with a head.
    """
    from services.actions.own_keys import own_key
    from services.commands.acting import actor, context

    found = parse(name)
    if found.alias:
        raise InputError("An endpoint has versions, no aliases.", "Leave the alias out.")
    body = body_of(file, png=png)
    key = own_key(context(), actor(), found.project)
    print_json(ask(found, body, key, version or found.version))


def ask(named: Named, body: dict[str, Any], key: str, version: int | None = None) -> object:
    """Ask the gateway and return its answer.

    Raises:
        InputError: The gateway names what is wrong with the question.
        EngineError: It could not be asked, or did not answer well.
    """
    import httpx

    headers = {"Authorization": f"Bearer {key}"}
    if version is not None:
        headers["X-Model-Version"] = str(version)
    path = f"/predict/{named.project}/{named.model}"
    try:
        with httpx.Client(base_url=gateway_url(), timeout=TIMEOUT_S, trust_env=False) as client:
            answer = client.post(path, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise EngineUnreachableError(
            f"The gateway does not answer ({type(error).__name__}).",
            "`mlops status` says how it is; serving must be switched on (serving_enabled).",
        ) from error
    return _read(answer)


def gateway_url() -> str:
    """Return where this installation's gateway is."""
    from services.engines.registry import read_ports
    from services.home import Home
    from services.platform.configuration import load_settings

    port = read_ports(Home.locate().root).get("gateway", load_settings().gateway_port)
    return f"http://127.0.0.1:{port}"


def _read(answer: "httpx.Response") -> object:
    try:
        said = answer.json()
    except ValueError as error:
        raise EngineProtocolError(
            f"The gateway answered {answer.status_code} with something that is no JSON."
        ) from error
    if answer.is_success:
        return said
    told = said if isinstance(said, dict) else {}
    field = f" ({told['field']})" if told.get("field") else ""
    why = str(told.get("detail") or told.get("title") or "it gives no reason")
    message = f"The gateway answered {answer.status_code}: {why}{field}"
    if answer.status_code in {400, 413, 422}:
        raise InputError(message, str(told.get("hint") or ""))
    raise EngineError(message, str(told.get("hint") or ""))


def body_of(file: str, *, png: bool = False) -> dict[str, Any]:
    """Return a question as the plain API takes it.

    Raises:
        InputError: The file cannot be read, or holds neither rows nor columns.
    """
    text = _text(file)
    if file.endswith(".csv"):
        said: dict[str, Any] = {"rows": _csv(text)}
    else:
        said = _json(text, file)
    return {**said, "images": "png"} if png else said


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(_LONGEST) if file == "-" else Path(file).read_bytes()
        return content.decode()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no UTF-8 text.", "Write the question as JSON.") from error


def _json(text: str, file: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{file} is no JSON: {error}.") from error
    if isinstance(found, dict):
        return found if found.keys() & {"rows", "columns"} else {"rows": [found]}
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return {"rows": found}
    raise InputError(
        f"{file} holds no question.",
        'Write {"rows": [{"COLUMN": VALUE, …}]} or {"columns": {"COLUMN": [VALUE, …]}}.',
    )


def _csv(text: str) -> list[dict[str, Any]]:
    import csv
    import io

    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError(f"That is no CSV: {error}.") from error
    if not rows or any(None in row or "" in row for row in rows):
        raise InputError("The CSV has no rows, or more fields than names in its head.")
    return [{name: _value(value) for name, value in row.items()} for row in rows]


def _value(text: str | None) -> object:
    """Return a number where a field is one: CSV does not tell numbers from words."""
    try:
        return json.loads(text or "")
    except ValueError:
        return text
