"""Asks a model server of the tests directly, by hand."""

import json
import socket
from typing import Any

from services.serving.routes import Replica
from tests.services.gateway.model_server import SIZES


def stats(replica: Replica) -> dict[str, Any]:
    header = json.dumps({"id": 1, "op": "stats"}).encode()
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(10)
        one.connect(replica.address.removeprefix("unix:"))
        one.sendall(SIZES.pack(len(header), 0) + header)
        data = b""
        while len(data) < 8 or len(data) < 8 + SIZES.unpack(data[:8])[0]:
            data += one.recv(65536)
    return dict(json.loads(data[8 : 8 + SIZES.unpack(data[:8])[0]])["stats"])
