"""``mlops up --demo``, last part: models of different kinds are deployed and really asked."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from services.errors import ConflictError, InputError, MlopsError, PlatformError
from services.home import Home

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.engines.mlflow.adapter import MLflow
    from services.serving.models import BundleInfo, InterfaceKind

Say = Callable[[str, str], None]
"""Called with an endpoint or a project and what happens to it."""

KINDS: tuple["InterfaceKind", ...] = (
    "classifier", "images", "text", "embeddings", "few-shot", "rows",
)  # fmt: skip
LEAST = 4
"""So many models of different kinds the demo deploys, where the projects have as many."""
REQUESTS = 20
"""So often each is asked."""
_READY_S = 120.0


@dataclass(frozen=True, slots=True)
class Served:
    """A model that was deployed and asked."""

    info: "BundleInfo"
    median_ms: float


def serve(say: Say) -> tuple[Served, ...]:
    """Deploy one champion of each kind and ask each; what is live already is only asked.

    Raises:
        PlatformError: Fewer than ``LEAST`` kinds could be served, or fewer than there are; the
            message says why.
    """
    from services.commands.acting import context

    here = context()
    _wait_ready(here)
    served, failed = [], []
    kinds = _by_kind(here, say)
    wanted = min(LEAST, len(kinds))
    for kind, candidates in kinds.items():
        for info in candidates:
            try:
                served.append(_served(here, info, say))
                break
            except MlopsError as error:
                failed.append(f"{_name(info)} ({kind}): {error.message}")
                say(_name(info), f"is not served: {error.message}")
    if len(served) < wanted:
        raise PlatformError(
            f"The demo serves {len(served)} of at least {wanted} kinds of models. "
            f"{' '.join(failed)}".strip(),
            "`mlops up --demo` tries again; `mlops deployments` shows what is served.",
        )
    return tuple(served)


def _wait_ready(here: "Context") -> None:
    """Wait for the serving engine, which looks at its first turn after Ray is up.

    Raises:
        PlatformError: It does not come.
    """
    from services.actions import serving

    end = time.monotonic() + _READY_S
    while why := serving.engine_fault(here.serving.status()):
        if time.monotonic() > end:
            raise PlatformError(why, "`mlops logs serving` says why.")
        time.sleep(0.2)


def _by_kind(here: "Context", say: Say) -> dict["InterfaceKind", list["BundleInfo"]]:
    """Return the champions by what they are for, those in service first."""
    from services.serving import store

    live = {one.name for one in store.endpoints(here.journal) if one.live is not None}
    found = sorted(_packaged(here, say), key=lambda info: (_name(info) not in live, _name(info)))
    kinds = {kind: [one for one in found if one.interface == kind] for kind in KINDS}
    return {kind: infos for kind, infos in kinds.items() if infos}


def _packaged(here: "Context", say: Say) -> Iterator["BundleInfo"]:
    for model in here.mirror.models():
        champion = model.with_alias("champion")
        if champion is None:
            continue
        folder = Path(here.mirror.project(model.project).path)
        mlflow = cast("MLflow", here.registry)
        at = (model.project, model.name, champion.version)
        try:
            yield here.serving.package(mlflow, folder, *at)
        except MlopsError as error:
            say(model.name, f"cannot be packaged: {error.message}")


def _served(here: "Context", info: "BundleInfo", say: Say) -> Served:
    _deploy(here, info, say)
    median = _asked(here, info)
    say(_name(info), f"answered {REQUESTS} of {REQUESTS} requests, in {median:.1f} ms each")
    return Served(info, median)


def _deploy(here: "Context", info: "BundleInfo", say: Say) -> None:
    from services.actions import serving
    from services.actions.deploy import Deploy
    from services.commands.rolling import followed

    now = serving.endpoint_of(here, info.project, info.model)
    if now is not None and now.live is not None and now.live.version == info.version:
        say(_name(info), "is live already")
        return
    serving.check_idle(now)
    action = Deploy(info.project, info.model, info.version, "champion", watch_s=5.0)
    ended = followed(here, action, lambda said: say(_name(info), said))
    if ended.state != "done":
        raise ConflictError(ended.error, ended.hint)


def _asked(here: "Context", info: "BundleInfo") -> float:
    """Ask a model its example, or texts, through the gateway; return the median time in ms.

    Raises:
        EngineError: One request was not answered.
        InputError: It has no example.
    """
    import statistics

    from services.actions.own_keys import own_key
    from services.commands.acting import actor
    from services.commands.endpoint_names import Named
    from services.commands.predict import ask

    key, took = own_key(here, actor(), info.project), []
    for columns in _questions(here, info):
        began = time.monotonic()
        ask(Named(info.project, info.model), {"columns": columns}, key)
        took.append((time.monotonic() - began) * 1000)
    return statistics.median(took)


def _questions(here: "Context", info: "BundleInfo") -> list[dict[str, Any]]:
    """Return the columns of each request: its example again and again, but texts once each."""
    import numpy as np

    from services.commands.demo_evaluation import evaluation, has_texts
    from services.predictions import reading

    if not info.example:
        raise InputError(f"{_name(info)} has no example that could be asked.")
    data = evaluation(here, info) if info.interface == "text" else None
    if data is None or not has_texts(data):
        return [dict(info.example)] * REQUESTS
    asked = reading.count(Home.locate(), info.project, info.model)
    order = np.random.default_rng(0).permutation(data["rows"])
    rows = [order[(asked + number) % len(order)] for number in range(REQUESTS)]
    return [{name: [values[row]] for name, values in data["inputs"].items()} for row in rows]


def _name(info: "BundleInfo") -> str:
    return f"{info.project}.{info.model}"
