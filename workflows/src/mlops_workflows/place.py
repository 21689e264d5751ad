"""Which task a process works for, what it is called, and where what is known of it is written."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Place:
    """One try of one task of one DAG run."""

    dag: str
    run: str
    task: str
    attempt: int
    map_index: int = -1
    """Of a mapped task; -1 otherwise."""

    @property
    def label(self) -> str:
        """Return the task's id, a mapped one with its number: ``client[3]``."""
        return self.task if self.map_index < 0 else f"{self.task}[{self.map_index}]"

    @property
    def job(self) -> str:
        """Return what ``MLOPS_TASK`` holds: ``<dag_id>/<dag_run_id>/<task_id>/<try>``."""
        return f"{self.dag}/{self.run}/{self.label}/{self.attempt}"

    def folder(self, evidence: Path) -> Path:
        """Return the folder of the DAG run's files."""
        return evidence / _name(self.dag) / _name(self.run)

    def file(self, evidence: Path) -> Path:
        """Return the file that tells how this try went."""
        return self.folder(evidence) / f"{_name(self.label)}.{self.attempt}.json"

    def lock(self, evidence: Path) -> Path:
        """Return the file that is locked while any try of the task has a process."""
        return self.folder(evidence) / f"{_name(self.label)}.lock"


def _name(text: str) -> str:
    """Return an id as the name of a file: no separator, no ``..``, and still legible."""
    name = quote(text, safe=":+~@[]")
    return name if name.strip(".") else name.replace(".", "%2E")
