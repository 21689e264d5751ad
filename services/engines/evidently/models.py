"""What Evidently is asked and what it found, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["numeric", "category"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Question:
    """Two tables to be compared, as Parquet files with the same columns."""

    reference: Path
    current: Path
    columns: Mapping[str, Kind]
    html: Path
    """Where the report is to be written; its folder is there."""
    json: Path
    """Where the same is to be written as Evidently's JSON."""
    workspace: Path | None = None
    """Where the report is kept for ``evidently ui``."""
    project: str = ""
    """Of the workspace: looked up by this name, made when there is none."""
    task: Task | None = None
    """What the columns ``target`` and ``prediction`` are of, where there are labels."""
    labels: tuple[Path | None, Path] | None = None
    """Rows that have labels, as ``target`` and ``prediction``: of the reference, where it has some,
    and current ones. Classes are texts."""
    at: float | None = None
    """When the rows are of, seconds since 1970: the report's own time in the workspace."""
    notes: tuple[str, ...] = ()
    """What the page says at its top, beside what failed: a sentence each."""
    threshold: float = 0.1
    """From which distance on a column drifted, in the unit of its method; of all columns."""


@dataclass(frozen=True, slots=True)
class Score:
    """What Evidently found of one column."""

    name: str
    method: str
    value: float | None
    threshold: float | None
    failed: str = ""
    """Why it has no value."""

    @property
    def drifted(self) -> bool | None:
        """Return whether Evidently calls it drifted; None: it has no value."""
        if self.value is None or self.threshold is None:
            return None
        return self.value >= self.threshold


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written."""

    version: str
    """Evidently's own."""
    scores: tuple[Score, ...]
    quality: Mapping[str, float] = field(default_factory=dict)
    """Of predictions beside labels, as accuracy or MAE: Evidently's names."""
    trouble: tuple[str, ...] = ()
    """What could not be done though the report was: a sentence each."""
