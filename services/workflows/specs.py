"""Spec files and the generated DAG files: what Airflow knows of each project.

``MLOPS_HOME/airflow/specs/<project>.json`` is a project's contract as the package
``mlops_workflows`` reads it; ``MLOPS_HOME/airflow/dags/mlops_dag_<project>.py`` calls it, so that
a broken project has an import error of its own and stops no other. Both are written by rename.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import PlatformError
from services.home import Home, toolkit_root
from services.projects.conformance import ENV_FILE
from services.projects.contract import ID_PATTERN, Contract, Project

VERSION = 1
OVER_ALL = "platform"
"""Names the generated file of the DAGs over all projects; no project's file has that name."""
_PREFIX = "mlops_dag_"
_GB = 1_000_000_000
_HEAD = '''"""Airflow DAGs of {what}, made by the MLOps platform; changes here are lost."""
'''
_STUB = """from mlops_workflows import {function}

# Of the contract {digest}
globals().update({function}({arguments}))
"""
_BROKEN = """from mlops_workflows.spec import SpecError

raise SpecError({sentence!r})
"""
_PLUGIN = '''"""What Airflow loads of the MLOps platform; changes here are lost."""

from mlops_workflows.plugin import MlopsPlugin

__all__ = ["MlopsPlugin"]
'''


def document(
    path: Path,
    contract: Contract,
    home: Home,
    python: str,
    route: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return a project's spec. Sizes are bytes, times seconds.

    ``route`` says where Airflow sends its heavy tasks (``routes``); None: Airflow's own defaults.
    """
    needs = contract.needs
    metric = contract.primary_metric
    declared = needs.memory_gb
    return {
        "v": VERSION,
        "project": contract.id,
        "title": contract.title,
        "path": str(path),
        "kind": contract.kind,
        "priority": contract.priority,
        "weight": contract.weight,
        "quota_hours": contract.quota_hours,
        "train": contract.train,
        "evaluate": contract.evaluate,
        "env": str(path / ENV_FILE),
        "memory_bytes": None if declared is None else round(declared * _GB),
        "memory_limit_bytes": _limit(contract),
        "gpu_slots": needs.gpu_slots,
        "params": [
            {
                "name": name,
                "type": one.type,
                "default": one.default,
                "minimum": _bound(one.type, one.min),
                "maximum": _bound(one.type, one.max),
                "choices": list(one.choices),
                "title": one.title,
            }
            for name, one in contract.params.items()
        ],
        "gates": dict(contract.gates),
        "primary_metric": metric.name if metric else None,
        "goal": metric.goal if metric else None,
        "data": list(contract.data),
        "models": list(contract.models),
        "schedule": contract.schedule or None,
        "queue": {
            "gpu_cores": needs.gpu_cores,
            "memory_gb": needs.memory_gb,
            "chip": needs.chip,
            "host": needs.host,
        },
        "route": dict(route or {}),
        "timeout_s": contract.timeout_s,
        "retries": contract.retries,
        "dags": list(contract.dags),
        "federated": contract.federated.model_dump() if contract.federated else None,
        "python": python,
        "toolkit": str(toolkit_root()),
        "home": str(home.root),
    }


def _limit(contract: Contract) -> int | None:
    # It is enforced, so only what the project wrote itself counts: nobody is ended by a default.
    declared = "memory_limit_gb" in contract.model_fields_set
    return round(contract.memory_limit_gb * _GB) if declared else None


def _bound(kind: str, bound: float | None) -> float | None:
    whole = kind == "int" and bound is not None and bound.is_integer()
    return int(bound) if whole and bound is not None else bound


@dataclass(slots=True)
class Specs:
    """Keeps Airflow's files in line with the projects; writes only what is different."""

    home: Home
    python: str = sys.executable
    _written: dict[Path, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the spec files are."""
        return self.home.root / "airflow" / "specs"

    @property
    def dags(self) -> Path:
        """Airflow's dags folder."""
        return self.home.root / "airflow" / "dags"

    def write(
        self,
        projects: Iterable[Project],
        routes: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Write what is new or changed, and remove what belongs to projects that are gone.

        ``routes`` are those of the heavy tasks by project; see ``document``.

        A broken contract leaves the last good spec where it is; the DAG file then raises the
        reason, which Airflow lists as import error, and no run of what is out of date begins.

        Raises:
            PlatformError: A file cannot be written; the next turn tries again.
        """
        kept = {OVER_ALL}
        for project in projects:
            kept.add(self._write(project, kept, routes or {}))
        over_all = _stub("all projects", "build_platform", "", str(self.folder))
        self._put(self._stub(OVER_ALL), over_all)
        self._put(self.home.root / "airflow" / "plugins" / "mlops_plugin.py", _PLUGIN)
        self._remove_others(kept)

    def _write(
        self, project: Project, taken: set[str], routes: Mapping[str, Mapping[str, object]]
    ) -> str:
        contract = project.contract
        if contract is None:
            name = self._broken_name(project, taken)
            self._put(self._stub(name), _broken(project))
            return name
        route = routes.get(contract.id)
        spec_of = document(project.path, contract, self.home, self.python, route)
        said = json.dumps(spec_of, indent=1)
        spec = self.folder / f"{contract.id}.json"
        self._put(spec, said)
        self._put(self._stub(contract.id), _stub(contract.title, "build", said, str(spec)))
        # A file each: one that raises takes neither the others nor the contract's DAGs with it.
        for number, file in enumerate(contract.dags):
            own = f"{contract.id}__{number}"
            taken.add(own)
            stub = _stub(f"{contract.title}: {file}", "build_own", said, str(spec), file)
            self._put(self._stub(own), stub)
        return contract.id

    def _broken_name(self, project: Project, taken: set[str]) -> str:
        """Return under which name a broken project's reason is shown.

        Its own id when that can still be read and is nobody else's, else that of the spec that was
        made from its folder, else its folder's name.
        """
        said = self._claimed_id(project)
        if said and said not in taken and self._path_of(said) in {None, str(project.path)}:
            return said
        for spec in sorted(self.folder.glob("*.json")):
            if spec.stem not in taken and self._path_of(spec.stem) == str(project.path):
                return spec.stem
        name = re.sub(r"[^a-z0-9]+", "-", os.fsdecode(project.path.name).lower()).strip("-")
        return f"broken_{name[:40] or 'project'}"

    @staticmethod
    def _claimed_id(project: Project) -> str:
        table: object = project.pyproject.get("tool")
        table = table.get("mlops") if isinstance(table, dict) else None
        said = table.get("id") if isinstance(table, dict) else None
        return said if isinstance(said, str) and re.fullmatch(ID_PATTERN, said) else ""

    def _path_of(self, project_id: str) -> str | None:
        try:
            found = json.loads((self.folder / f"{project_id}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return str(found.get("path")) if isinstance(found, dict) else None

    def _stub(self, name: str) -> Path:
        # A name of ours: Airflow puts the folder on the path of imports, and a project may have
        # the name of a module.
        return self.dags / f"{_PREFIX}{name}.py"

    def _put(self, path: Path, text: str) -> None:
        if self._written.get(path) == text and path.exists():
            return
        _put(path, text)
        self._written[path] = text

    def _remove_others(self, kept: set[str]) -> None:
        files = [*self.folder.glob("*.json"), *self.dags.glob(f"{_PREFIX}*.py")]
        for file in files:
            if file.stem.removeprefix(_PREFIX) not in kept:
                self._written.pop(file, None)
                try:
                    file.unlink(missing_ok=True)
                except OSError as error:
                    raise PlatformError(
                        f"{file} of a project that is gone could not be removed: "
                        f"{error.strerror or error}.",
                        "See that the folder can be written.",
                    ) from error


def _stub(title: str, function: str, said: str, *arguments: str) -> str:
    # The contract's digest makes the file a new one when the contract changes: Airflow then reads
    # it at once. It reads only files that hold the words "airflow" and "dag".
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    head = _HEAD.format(what=_plain(title))
    given = ", ".join(repr(argument) for argument in arguments)
    return head + "\n" + _STUB.format(function=function, arguments=given, digest=digest)


def _broken(project: Project) -> str:
    name = _readable(project.path.name)
    reasons = " ".join(_readable(reason) for reason in project.reasons)
    sentence = f"The project in {_readable(str(project.path))} cannot be run: {reasons}"
    return _HEAD.format(what=_plain(name)) + "\n" + _BROKEN.format(sentence=sentence)


def _plain(text: str) -> str:
    """Return text that cannot end a docstring."""
    return re.sub(r'[\\"\x00-\x1f]', " ", text)


def _readable(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "replace")


def _put(path: Path, text: str) -> None:
    name = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_file() and path.read_bytes() == text.encode():
            return
        handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError as error:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()
        raise PlatformError(
            f"{path} could not be written: {error.strerror or error}. Airflow keeps what it knew.",
            "Free some space and see that the folder can be written.",
        ) from error
