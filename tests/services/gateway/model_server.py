"""A model server of the tests: the wire of the contract, written a second time, and small models.

    python -m tests.services.gateway.model_server --socket PATH --kind rows [--factor 2]

``rows``: x (FP32, four numbers) → y = factor · sum; ``classify``: text → label and confidence;
``text``: goes on with its prompt, a word at a time; ``embed``: text → eight numbers; ``images``:
label → a picture of 4 × 4; ``broken``: fails.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import struct
from typing import Any

import numpy as np

SIZES = struct.Struct("<II")
WORDS = ("once", "upon", "a", "time", "there", "was", "a", "model", "that", "told", "stories")
Columns = dict[str, Any]
Said = dict[str, Any]


def texts(data: bytes) -> list[str]:
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return found


def packed(values: list[str]) -> bytes:
    return b"".join(struct.pack("<I", len(raw)) + raw for raw in map(str.encode, values))


def read(told: list[dict[str, Any]], body: bytes) -> Columns:
    found, at = {}, 0
    for one in told:
        data, at = body[at : at + one["bytes"]], at + one["bytes"]
        if one["datatype"] == "BYTES":
            found[one["name"]] = texts(data)
        else:
            dtype = {"FP32": "<f4", "INT64": "<i8", "FP64": "<f8"}[one["datatype"]]
            found[one["name"]] = np.frombuffer(data, dtype).reshape(one["shape"])
    return found


def written(columns: Columns) -> tuple[list[dict[str, Any]], bytes]:
    told, parts = [], []
    for name, values in columns.items():
        if isinstance(values, list):
            data, datatype, shape = packed(values), "BYTES", [len(values)]
        else:
            datatype = {"f4": "FP32", "f8": "FP64", "i8": "INT64"}[values.dtype.str[1:]]
            data, shape = values.tobytes(), list(values.shape)
        told.append({"name": name, "datatype": datatype, "shape": shape, "bytes": len(data)})
        parts.append(data)
    return told, b"".join(parts)


class RefusedError(Exception):
    def __init__(self, kind: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.said = {"kind": kind, "message": message, "field": field}


def answer(kind: str, factor: float, columns: Columns) -> Columns:
    if kind == "rows":
        return {"y": (columns["x"].sum(axis=1) * factor).astype("<f4")}
    if kind == "classify":
        labels = ["question" if text.endswith("?") else "statement" for text in columns["text"]]
        return {"label": labels, "confidence": np.full(len(labels), 0.75, "<f4")}
    if kind == "embed" and "image" in columns:
        return {"embedding": np.repeat(columns["image"].mean(axis=(1, 2))[:, None], 8, axis=1)}
    if kind == "embed":
        rows = [[len(text) + factor * place for place in range(8)] for text in columns["text"]]
        return {"embedding": np.array(rows, "<f4")}
    if kind == "images":
        rows = [np.full((4, 4), label / 10, "<f4") for label in columns["label"]]
        return {"image": np.stack(rows)}
    if kind == "busy":
        raise RefusedError("busy", "64 requests are waiting.")
    if kind == "picky":
        raise RefusedError("input", "It must be even.", "x")
    raise RefusedError("model", "The model failed: it always does.")


class Server:
    def __init__(self, kind: str, factor: float, delay_s: float, die_after: int, most: int) -> None:
        self.most = most
        self.kind, self.factor, self.delay_s = kind, factor, delay_s
        self.die_after = die_after
        self.asked = 0
        self.tasks: dict[tuple[int, int], asyncio.Task[None]] = {}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                sizes = SIZES.unpack(await reader.readexactly(8))
                header = json.loads(await reader.readexactly(sizes[0]))
                body = await reader.readexactly(sizes[1])
                self.asked += header["op"] in {"infer", "stream"}
                if self.die_after and self.asked >= self.die_after:
                    os.kill(os.getpid(), signal.SIGKILL)
                if header["op"] == "cancel":
                    task = self.tasks.pop((id(writer), header["of"]), None)
                    if task is not None:
                        task.cancel()
                    continue
                key = (id(writer), header["id"])
                self.tasks[key] = asyncio.create_task(self.serve(writer, header, body))
        writer.close()

    def send(self, writer: asyncio.StreamWriter, said: dict[str, Any], body: bytes = b"") -> None:
        header = json.dumps(said).encode()
        writer.write(SIZES.pack(len(header), len(body)) + header + body)

    async def serve(
        self, writer: asyncio.StreamWriter, header: dict[str, Any], body: bytes
    ) -> None:
        number = header["id"]
        try:
            if header["op"] in {"health", "hello"}:
                self.send(writer, {"id": number, "ok": True, "state": "ready", "last": True})
            elif header["op"] == "stats":
                stats = {"requests": self.asked, "left": len(self.tasks) - 1}
                self.send(writer, {"id": number, "ok": True, "stats": stats, "last": True})
            elif header["op"] == "stream":
                await self.stream(writer, header, body)
            elif len(self.tasks) > self.most:
                raise RefusedError("busy", f"{self.most} requests are waiting.")
            else:
                await asyncio.sleep(self.delay_s)
                columns = answer(self.kind, self.factor, read(header["inputs"], body))
                told, data = written(columns)
                timing = {"queue_ms": 0.5, "model_ms": 1.0, "share_ms": 1.0}
                said = {"id": number, "ok": True, "outputs": told, "timing": timing, "last": True}
                self.send(writer, said, data)
        except RefusedError as refused:
            self.send(writer, {"id": number, "ok": False, "error": refused.said, "last": True})
        finally:
            self.tasks.pop((id(writer), number), None)

    async def stream(
        self, writer: asyncio.StreamWriter, header: dict[str, Any], body: bytes
    ) -> None:
        prompt = next(iter(read(header["inputs"], body).values()))[0]
        parameters = header["parameters"]
        most = int(parameters.get("max_tokens", 5))
        words = [*prompt.split()[-1:], *WORDS * (most // len(WORDS) + 1)][:most]
        for word in words:
            await asyncio.sleep(self.delay_s)
            said = {"id": header["id"], "ok": True, "text": f" {word}", "last": False}
            self.send(writer, said)
        usage = {"prompt": len(prompt.split()), "completion": len(words)}
        timing = {"queue_ms": 0.5, "model_ms": 1.0, "share_ms": 1.0}
        said = {"id": header["id"], "ok": True, "outputs": [], "finish": "length", "usage": usage,
                "timing": timing, "last": True}  # fmt: skip
        self.send(writer, said)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--kind", default="rows")
    parser.add_argument("--factor", type=float, default=2.0)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--die-after", type=int, default=0)
    parser.add_argument("--most", type=int, default=1 << 30)
    given = parser.parse_args()
    server = Server(given.kind, given.factor, given.delay_s, given.die_after, given.most)
    listening = await asyncio.start_unix_server(server.talk, given.socket)
    print("ready", flush=True)  # noqa: T201 - who starts it waits for this
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
