"""One project's spec file, as the controller writes it from the project's contract."""

import json
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
Value = bool | int | float | str | None
"""Of a parameter; None: not given, the project's own default counts."""

_JSON_TYPES = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "choice": "string",
}


class SpecError(Exception):
    """A spec cannot be used; the message is a sentence for Airflow's list of import errors."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed parameter of the train command."""

    name: str
    type: str
    default: Value = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    title: str = ""

    @property
    def flag(self) -> str:
        """How it is written on the command line: ``learning_rate`` is ``--learning-rate``."""
        return f"--{self.name.replace('_', '-')}"

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema that Airflow checks a launch against."""
        kind = _JSON_TYPES[self.type]
        found: dict[str, Any] = {"type": kind if self.default is not None else ["null", kind]}
        found["title"] = self.title or self.name
        if self.minimum is not None:
            found["minimum"] = self.minimum
        if self.maximum is not None:
            found["maximum"] = self.maximum
        if self.type == "choice":
            missing = [None] if self.default is None else []
            found["enum"] = [*self.choices, *missing]
        return found

    def words(self, value: Value) -> Iterator[str]:
        """Yield the words of the command line for a value; none for one that is not given.

        Raises:
            SpecError: It is no finite number.
        """
        if value is None:
            return
        if isinstance(value, bool):
            if value:
                yield self.flag
            elif self.default is True:
                yield f"--no-{self.flag[2:]}"
            return
        if isinstance(value, float) and not math.isfinite(value):
            raise SpecError(f"{self.name} is {value}, which is no number to train with.")
        # One word: a value that begins with a dash is no flag of its own.
        yield f"{self.flag}={value}"


@dataclass(frozen=True, slots=True)
class Federated:
    """The entry points of a federated training."""

    server: str
    client: str
    clients: int


@dataclass(frozen=True, slots=True)
class Spec:
    """What the DAGs of one project are made from."""

    project: str
    title: str
    path: Path
    env: Path
    train: str
    evaluate: str
    python: str
    """The platform's own interpreter, for ``python -m services.workflows``."""
    toolkit: Path
    """The folder in which that module is found."""
    home: Path
    parameters: tuple[Parameter, ...] = ()
    kind: str = "intermediate"
    priority: int = 5
    memory_limit_bytes: int | None = None
    primary_metric: str | None = None
    gates: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    schedule: str | None = None
    timeout_s: float = 86_400.0
    retries: int = 1
    route: Mapping[str, Any] = field(default_factory=dict)
    """Airflow's ``pool``, ``pool_slots``, ``queue`` and ``executor`` of the heavy tasks; those that
    are missing are Airflow's own defaults."""
    dags: tuple[str, ...] = ()
    """DAG files of the project's own, relative to its folder."""
    federated: Federated | None = None

    @property
    def evidence(self) -> Path:
        """Where what is known about each task is written."""
        return self.home / "airflow" / "evidence"

    def words(self, entry: str) -> list[str]:
        """Return a command as words: ``train``, ``evaluate``, ``server`` or ``client``.

        Raises:
            SpecError: The project has no such command, or its quotes do not match.
        """
        commands = {"train": self.train, "evaluate": self.evaluate}
        if self.federated is not None:
            commands |= {"server": self.federated.server, "client": self.federated.client}
        try:
            words = shlex.split(commands.get(entry, ""))
        except ValueError as error:
            raise SpecError(f"{entry} = {commands[entry]!r} is no command: {error}.") from error
        if not words:
            raise SpecError(f"{self.title} declares no command {entry} in [tool.mlops].")
        return words

    def arguments(self, params: Mapping[str, Any], entry: str = "train") -> list[str]:
        """Return the words that a launch adds to a command; an evaluation takes none.

        Raises:
            SpecError: A value is no finite number.
        """
        if entry not in {"train", "server"}:
            return []
        known = (p for p in self.parameters if p.name in params)
        return [word for p in known for word in p.words(params[p.name])]


def load(path: str | Path) -> Spec:
    """Read a spec file.

    Raises:
        SpecError: It is missing, not JSON, or lacks something; the sentence says what.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise SpecError(f"{path} is not there: the project is gone, or `mlops up` has yet to write "
                        "it.") from None  # fmt: skip
    except (OSError, ValueError) as error:
        raise SpecError(f"{path} cannot be read: {error}. `mlops up` writes it anew.") from error
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise SpecError(f"{path} is no project spec of version {VERSION}; restart the platform.")
    try:
        return _spec(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SpecError(f"{path} is no whole project spec: {said}.") from error


def _spec(document: dict[str, Any]) -> Spec:
    federated = document.get("federated")
    limit = document.get("memory_limit_bytes")
    return Spec(
        project=str(document["project"]),
        title=str(document["title"]),
        path=Path(document["path"]),
        env=Path(document["env"]),
        train=str(document["train"]),
        evaluate=str(document["evaluate"]),
        python=str(document["python"]),
        toolkit=Path(document["toolkit"]),
        home=Path(document["home"]),
        parameters=tuple(_parameter(one) for one in document["params"]),
        kind=str(document["kind"]),
        priority=int(document["priority"]),
        memory_limit_bytes=None if limit is None else int(limit),
        primary_metric=document.get("primary_metric"),
        gates=dict(document["gates"]),
        data=tuple(document["data"]),
        schedule=document.get("schedule"),
        timeout_s=float(document["timeout_s"]),
        retries=int(document["retries"]),
        route=dict(document.get("route") or {}),
        dags=tuple(document["dags"]),
        federated=None if federated is None else Federated(**federated),
    )


def _parameter(document: dict[str, Any]) -> Parameter:
    kind = document["type"]
    if kind not in _JSON_TYPES:
        raise ValueError(f"{document['name']} is of the unknown type {kind!r}")
    return Parameter(
        name=document["name"],
        type=kind,
        default=document.get("default"),
        minimum=document.get("minimum"),
        maximum=document.get("maximum"),
        choices=tuple(document.get("choices") or ()),
        title=document.get("title") or "",
    )
