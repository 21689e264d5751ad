"""What this process knows of runs and experiments, to answer it while the server is away."""

import hashlib
import re
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from mlflow.entities import LifecycleStage
from mlflow.protos import service_pb2 as api
from mlflow.utils.proto_json_utils import parse_dict

from mlops_client.wire import Body, Proto

LOCAL_ID = "mlops.local_id"
SCHEME = "mlops-spool"
_PREFIX = "offline-"
_TOKEN = re.compile(_PREFIX + "[0-9a-f]{24}")
_REMEMBERED = 256
_INFO = ("status", "end_time", "run_name")


def is_local(an_id: str) -> bool:
    """Return whether an id was made here, while the server was away."""
    return _TOKEN.fullmatch(an_id) is not None


def mentions_local(text: str) -> bool:
    """Return whether an id made here occurs in a text."""
    return _PREFIX in text and _TOKEN.search(text) is not None


def translated(text: str, real: Callable[[str], str]) -> str:
    """Return a text with the server's ids instead of those made here."""
    return _TOKEN.sub(lambda match: real(match.group()), text)


def new_key() -> str:
    """Return what makes the creation of a run unique, also when it is sent twice."""
    return uuid.uuid4().hex[:24]


def local_run_id(key: str) -> str:
    """Return the id a run has here until the server gives it one."""
    return _PREFIX + key


def local_experiment_id(workspace: str, name: str) -> str:
    """Return the id an experiment has here until the server is asked for it by name."""
    return _PREFIX + hashlib.sha256(f"{workspace}/{name}".encode()).hexdigest()[:24]


@dataclass(slots=True)
class _Run:
    """A run as the server last told it, and what was kept for it since."""

    told: Proto
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Body] = field(default_factory=dict)


class Known:
    """Runs and experiments of this process."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._names: dict[str, str] = {}

    def remember_run(self, run: Proto) -> None:
        """Note a run the server told of."""
        self._runs[run.info.run_id] = _Run(run)
        while len(self._runs) > _REMEMBERED:
            self._runs.popitem(last=False)

    def remember_experiment(self, experiment_id: str, name: str) -> None:
        """Note what an experiment is called: a buffered run finds it by name again."""
        self._names[experiment_id] = name

    def experiment_name(self, experiment_id: str) -> str | None:
        """Return an experiment's name when it is known."""
        return self._names.get(experiment_id)

    def experiment(self, workspace: str, name: str) -> Proto:
        """Return an experiment by name, with an id of our own when the server's is not known."""
        known = next((i for i, n in self._names.items() if n == name), None)
        experiment_id = known or local_experiment_id(workspace, name)
        self.remember_experiment(experiment_id, name)
        return api.Experiment(
            experiment_id=experiment_id, name=name, lifecycle_stage=LifecycleStage.ACTIVE
        )

    def begin_run(self, run_id: str, body: Body) -> Proto:
        """Make up the run that a kept CreateRun will become."""
        run = api.Run()
        info = run.info
        info.run_id = info.run_uuid = run_id
        info.experiment_id = str(body.get("experiment_id", ""))
        info.run_name = body.get("run_name") or f"offline-{run_id[len(_PREFIX) :][:6]}"
        info.user_id = body.get("user_id", "")
        info.status = api.RUNNING
        info.start_time = int(body.get("start_time") or time.time() * 1000)
        info.lifecycle_stage = LifecycleStage.ACTIVE
        info.artifact_uri = f"{SCHEME}:/{run_id}"
        for tag in body.get("tags", []):
            run.data.tags.add(key=tag["key"], value=tag.get("value", ""))
        self.remember_run(run)
        return run

    def note(self, name: str, body: Body) -> None:
        """Note a kept write, so that the run reads as if it had been sent."""
        known = self._runs.get(body.get("run_id") or body.get("run_uuid", ""))
        if known is None:
            return
        for metric in [body] if name == "LogMetric" else body.get("metrics", []):
            known.metrics[metric["key"]] = metric
        for param in [body] if name == "LogParam" else body.get("params", []):
            known.params[param["key"]] = param.get("value", "")
        for tag in [body] if name == "SetTag" else body.get("tags", []):
            known.tags[tag["key"]] = tag.get("value", "")
        if name == "UpdateRun":
            changed = {key: body[key] for key in _INFO if body.get(key) is not None}
            parse_dict(changed, known.told.info)

    def run(self, run_id: str) -> Proto | None:
        """Return a run as far as it is known here."""
        known = self._runs.get(run_id)
        if known is None:
            return None
        run = api.Run()
        run.CopyFrom(known.told)
        _overlay(run.data.tags, known.tags)
        _overlay(run.data.params, known.params)
        kept = [metric for metric in run.data.metrics if metric.key not in known.metrics]
        del run.data.metrics[:]
        run.data.metrics.extend(kept)
        for metric in known.metrics.values():
            fields = {"key", "value", "timestamp", "step"}
            parse_dict({k: v for k, v in metric.items() if k in fields}, run.data.metrics.add())
        return run


def _overlay(pairs: Proto, newer: dict[str, str]) -> None:
    kept = {pair.key: pair.value for pair in pairs} | newer
    del pairs[:]
    for key, value in kept.items():
        pairs.add(key=key, value=value)
