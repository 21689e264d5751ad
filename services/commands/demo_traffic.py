"""``mlops up --demo``, last: what is in service is asked its evaluation data, and is checked."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from services.commands.demo_evaluation import evaluation, has_texts
from services.errors import EngineUnreachableError, MlopsError
from services.home import Home

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.serving.models import BundleInfo

Say = Callable[[str, str], None]
ROWS = 2_500
"""More than a check wants of a window, 2,000."""
_BATCH = 50
_LONGEST_S = 20.0
"""So long one model is asked at most: pictures take their time."""
_SEEDS = 1 << 31


def bring(here: "Context", infos: Sequence["BundleInfo"], say: Say) -> None:
    """Ask each model rows of its own evaluation data, tell what was right, and check its drift.

    A model whose training logged no evaluation data, or texts, or that was asked as much before, is
    left as it is. What cannot be asked or checked is said, and keeps nothing else from it.
    """
    from services.predictions import reading

    home = Home.locate()
    for info in infos:
        name = f"{info.project}.{info.model}"
        try:
            data = evaluation(here, info)
            # The same texts again would be drift, rightly: some of them it was asked already.
            if (
                data is None
                or has_texts(data)
                or reading.count(home, info.project, info.model) >= ROWS // _BATCH
            ):
                continue
            rows, told = _asked(here, info, data)
            say(name, f"answered {rows:,} rows of its evaluation data{_labelled(told)}")
            say(name, _checked(here, info))
        except MlopsError as error:
            say(name, f"is not asked its evaluation data: {error.message}")


def _asked(here: "Context", info: "BundleInfo", data: Mapping[str, Any]) -> tuple[int, int]:
    """Return of how many rows it was asked, and of how many of them was told what was right."""
    import httpx

    from services.actions.own_keys import own_key
    from services.commands.acting import actor
    from services.commands.predict import TIMEOUT_S, gateway_url

    key, rows, told, end = own_key(here, actor(), info.project), 0, 0, time.monotonic() + _LONGEST_S
    head = {"Authorization": f"Bearer {key}"}
    with httpx.Client(
        base_url=gateway_url(), headers=head, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        for columns, labels in _drawn(data):
            if time.monotonic() > end:
                break
            said = _posted(client, f"/predict/{info.project}/{info.model}", {"columns": columns})
            rows += _BATCH
            if labels is not None:
                _posted(client, f"/feedback/{said.headers['x-request-id']}", {"label": labels})
                told += len(labels)
    return rows, told


def _drawn(data: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[Any] | None]]:
    """Yield columns of a request, rows drawn with replacement, and their labels."""
    draw = np.random.default_rng(0)
    ignored, labels = data.get("ignored") or (), data.get("labels")  # not said by older clients
    for _ in range(ROWS // _BATCH):
        places = [int(place) for place in draw.integers(0, data["rows"], _BATCH)]
        columns = {
            name: [values[place] for place in places] for name, values in data["inputs"].items()
        }
        # What training called no data, as seeds, is drawn: as different as it is in use.
        columns |= {name: draw.integers(0, _SEEDS, _BATCH).tolist() for name in ignored}
        yield columns, None if labels is None else [labels[place] for place in places]


def _posted(client: Any, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401  httpx comes late
    import httpx

    try:
        answer = client.post(path, content=orjson.dumps(body))
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise EngineUnreachableError(f"The gateway did not answer {path}: {error}") from error
    return answer


def _checked(here: "Context", info: "BundleInfo") -> str:
    """Check its drift now; return how its verdicts stand."""
    from services.actions.drift_check import CheckDrift
    from services.commands.rolling import followed
    from services.monitoring.store import VerdictStore

    ended = followed(here, CheckDrift(info.project, info.model), lambda _: None)
    if ended.state != "done":
        return f"is not checked: {ended.error}"
    with contextlib.closing(VerdictStore(Home.locate())) as store:
        latest = store.latest(info.project, info.model)
    return "is checked: " + ", ".join(f"{one.kind} {one.state}" for one in latest)


def _labelled(told: int) -> str:
    return f", {told:,} of them with what was right" if told else ""
