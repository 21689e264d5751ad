"""Plain JSON: rows in, rows out, or columns in, columns out; pictures as PNGs when asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.gateway import pictures, writing
from services.gateway.apart import Form, asked
from services.gateway.contract import Contract, Prepared, columns_given, rows_given
from services.gateway.gateway import Answered, Gateway, scalars
from services.gateway.http import Reply, Request, parsed
from services.gateway.problems import bad
from services.serving.store import ApiKey

_KNOWN = {"rows", "columns", "images", "parameters"}


async def predict(
    gateway: Gateway, request: Request, key: ApiKey, project: str, model: str
) -> Reply:
    """Ask a model."""
    route = gateway.route(request, key, f"{project}.{model}")
    body = await gateway.body(request, route.max_body_bytes)
    call, question = await asked(gateway, request, route, FORM, body, len(body))
    as_pictures = call.png or "image/png" in request.header(b"accept")
    answered = await gateway.ask(request, key, route, question, "plain")
    return Reply(
        await _written(answered, request.id, by_rows=call.by_rows, as_pictures=as_pictures),
        after=lambda: gateway.shadow(request, answered, key, "plain"),
    )


@dataclass(frozen=True, slots=True)
class Call:
    """What a request says."""

    by_rows: bool
    png: bool
    """Whether it wants pictures as PNGs."""
    data: Any = None
    """Rows or columns."""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def prepare(self, contract: Contract) -> Prepared:
        """Return what the model is asked.

        Raises:
            Problem: It is not what the version takes.
        """
        if self.by_rows:
            given = rows_given(self.data, contract.fields)
            return contract.prepare(given, self.parameters, "rows[]")
        given = columns_given(self.data, contract.fields)
        return contract.prepare(given, self.parameters, "columns")

    def rest(self) -> dict[str, Any]:
        """Return what the reply needs of it."""
        return {"by_rows": self.by_rows, "png": self.png}


def _read(body: bytes, _json_bytes: int) -> Call:
    said = parsed(body)
    by_rows = _by_rows(said)
    png = _pictures(said)
    parameters = scalars(said.get("parameters"), "parameters")
    return Call(by_rows, png, said["rows" if by_rows else "columns"], parameters)


FORM = Form("plain", _read, lambda rest: Call(**rest))


def _by_rows(said: Mapping[str, Any]) -> bool:
    strange = said.keys() - _KNOWN
    if strange:
        raise bad(
            "There is no such member; send `rows` or `columns`.", str(sorted(strange)[0])[:100]
        )
    if ("rows" in said) == ("columns" in said):
        raise bad(
            "Send either `rows` (a list of objects) or `columns` (an object of lists).", "rows"
        )
    return "rows" in said


def _pictures(said: Mapping[str, Any]) -> bool:
    images = said.get("images", "numbers")
    if images not in ("png", "numbers"):
        raise bad('It is "png" or "numbers".', "images")
    return bool(images == "png")


async def _written(
    answered: Answered, request_id: str, *, by_rows: bool, as_pictures: bool
) -> bytes:
    fields = {one.name: one for one in answered.loaded.info.outputs}
    columns: dict[str, Any] = {}
    for name, values in answered.outputs.items():
        field = fields.get(name)
        drawn = None
        if as_pictures and field is not None and field.image and isinstance(values, np.ndarray):
            drawn = pictures.packed(field, values)
        columns[name] = values if drawn is None else drawn
    said: dict[str, Any] = (
        {"rows": await writing.rows(columns)}
        if by_rows
        else {"columns": {name: await writing.listed(one) for name, one in columns.items()}}
    )
    said |= {
        "request_id": request_id,
        "model": answered.route.name,
        "version": answered.loaded.version,
        "backend": answered.loaded.backend,
    }
    return writing.dumped(said)
