"""``mlops up --demo``, last: what is in service is asked its evaluation data, and is checked."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import orjson

from services.errors import EngineUnreachableError, MlopsError
from services.home import Home

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.engines.mlflow.adapter import MLflow
    from services.serving.models import BundleInfo

Say = Callable[[str, str], None]
ROWS = 2_500
"""More than a check wants of a window, 2,000."""
_BATCH = 50
_LONGEST_S = 20.0
"""So long one model is asked at most: pictures take their time."""
_SEEDS = 1 << 31
_MOST_WORDS = 50
"""Different ones in a column, from which on they are texts and no categories."""


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
            data = _evaluation(here, info)
            if data is None or reading.count(home, info.project, info.model) >= ROWS // _BATCH:
                continue
            rows, told = _asked(here, info, data)
            say(name, f"answered {rows:,} rows of its evaluation data{_labelled(told)}")
            say(name, _checked(here, info))
        except MlopsError as error:
            say(name, f"is not asked its evaluation data: {error.message}")


def _evaluation(here: "Context", info: "BundleInfo") -> Mapping[str, Any] | None:
    """Return what its training logged; None: it logged none."""
    from services.monitoring.reference import ARTIFACT

    mlflow = cast("MLflow", here.registry)
    if info.run_id is None:
        return None
    logged = mlflow.artifacts(info.project, info.run_id, ARTIFACT.rpartition("/")[0])
    if all(one.path != ARTIFACT for one in logged):
        return None
    found: dict[str, Any] = orjson.loads(mlflow.artifact(info.project, info.run_id, ARTIFACT))
    # The same texts again are no texts as people write them: a check would say so, rightly.
    return None if any(map(_are_texts, found["inputs"].values())) else found


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values) and len(set(values)) > _MOST_WORDS


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
