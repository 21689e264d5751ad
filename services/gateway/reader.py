"""A process that reads large JSON for the gateway: one body after another, until nobody asks.

It knows no keys and no models, opens nothing and writes nothing but its answers.
"""

import contextlib
import gc
import signal
import sys
from typing import Any, BinaryIO

import orjson

from services.errors import EngineProtocolError
from services.gateway import oip, plain
from services.gateway.apart import Call, Form
from services.gateway.contract import Contract
from services.gateway.problems import Problem
from services.predictions import privacy
from services.serving import frames
from services.serving.models import BundleInfo

FORMS: dict[str, Form[Any]] = {form.name: form for form in (plain.FORM, oip.FORM)}


def answer(job: dict[str, Any], body: bytes) -> bytes:
    """Return the frame that answers one."""
    try:
        call: Call = FORMS[job["form"]].read(body, job["json_bytes"])
    except Problem as problem:
        return _refused(problem, unread=True)
    try:
        prepared = call.prepare(Contract(BundleInfo.from_json(job["info"])))
        assert not isinstance(prepared.columns, bytes)  # noqa: S101 - it was prepared here
        columns = privacy.full(prepared.columns)
        header = {
            "id": 0, "inputs": [one.told() for one in prepared.inputs], "rows": prepared.rows,
            "parameters": prepared.parameters, "rest": call.rest(),
            "columns": len(columns or b""), "large": columns is None,
        }  # fmt: skip
        parts = [*(one.data for one in prepared.inputs), columns or b""]
        return frames.frame(header, parts)
    except EngineProtocolError as error:
        return _refused(Problem("too-large", error.message))
    except Problem as problem:
        return _refused(problem)


def _refused(problem: Problem, *, unread: bool = False) -> bytes:
    said = {"kind": problem.kind, "detail": problem.detail, "field": problem.field}
    return frames.frame({"id": 0, "problem": said, "unread": unread})


def serve(asked: BinaryIO, answered: BinaryIO) -> None:
    """Answer until there is nothing more to read."""
    gc.disable()  # millions of lists that are all needed would be looked through again and again
    while len(sizes := asked.read(frames.SIZES.size)) == frames.SIZES.size:
        head, body = frames.SIZES.unpack(sizes)
        answered.write(answer(orjson.loads(asked.read(head)), asked.read(body)))
        answered.flush()
        gc.collect()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway ends it
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)
