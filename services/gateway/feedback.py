"""What was true of an earlier prediction, told later."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.gateway.gateway import Gateway
from services.gateway.http import Reply, Request, parsed
from services.gateway.problems import bad
from services.predictions.models import Feedback, Kept
from services.serving.models import Privacy
from services.serving.store import ALL_PROJECTS, ApiKey

_KNOWN = {"label", "model"}
_LABEL_BYTES = 64 << 10
_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{19}")
_STRICTNESS: dict[Privacy, int] = {"full": 0, "sample": 1, "hash": 2, "off": 3}
_KEPT: dict[Privacy, Kept] = {"full": "full", "sample": "full", "hash": "hashed", "off": "dropped"}


async def feedback(gateway: Gateway, request: Request, key: ApiKey, request_id: str) -> Reply:
    """Take what was true of an earlier prediction, and say how much of it is kept at most."""
    mark = request_id.replace("-", "").lower()
    if not _ID.fullmatch(mark):
        raise bad("It is no id of a request: X-Request-Id of an answer.", "request_id")
    said = parsed(await gateway.body(request, 2 * _LABEL_BYTES))
    label = _label(said)
    project, privacy = _about(gateway, request, key, said.get("model"))
    request.seen.project = project or key.project
    gateway.recorder.told(Feedback(mark, request.at, label, key.id, project), privacy)
    document = {"request_id": mark, "accepted": True, "kept": _KEPT[privacy]}
    return Reply(orjson.dumps(document), 202)


def _label(said: Mapping[str, Any]) -> Any:  # noqa: ANN401
    strange = said.keys() - _KNOWN
    if "label" not in said or strange:
        raise bad(
            "Send an object with `label`, of any JSON, and `model` where it is asked for.", "label"
        )
    try:
        size = len(orjson.dumps(said["label"]))
    except TypeError as error:
        raise bad("It is nested too deep.", "label") from error
    if size > _LABEL_BYTES:
        raise bad(f"It has more than {_LABEL_BYTES} bytes as JSON.", "label")
    return said["label"]


def _about(
    gateway: Gateway, request: Request, key: ApiKey, model: object
) -> tuple[str, Privacy]:  # fmt: skip
    """Return the project whose prediction a label is of, empty for any, and how it is kept.

    Raises:
        Problem: The model that is named is none, or none is and that would cost the label: a hash
            needs its project.
    """
    if model is not None:
        if not isinstance(model, str):
            raise bad("It is the name of the endpoint that was asked: project.model.", "model")
        route = gateway.route(request, key, model, "model")
        return route.project, route.privacy
    project = "" if key.project == ALL_PROJECTS else key.project
    privacy = strictest([route.privacy for route in gateway.routes(key)])
    if privacy == "hash" and not project:
        raise bad(
            "This key opens all projects, and not all of their endpoints keep labels as they "
            "come: name the endpoint that was asked, as project.model.",
            "model",
        )
    return project, privacy


def strictest(found: Sequence[Privacy]) -> Privacy:
    """Return how a label is kept that may be about any of some endpoints.

    As the strictest asks; where some keep nothing and others do, hashed: the compactor drops those
    of endpoints that keep nothing, when it knows which prediction a label is about.
    """
    most: Privacy = max(found, key=_STRICTNESS.__getitem__, default="full")
    return "hash" if most == "off" and set(found) != {"off"} else most
