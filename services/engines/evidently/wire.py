"""What goes to Evidently's process and comes from it: JSON."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from services.engines.evidently.models import Kind, Question, Report, Score, Task


class Wire(BaseModel):
    """Only the fields we read."""

    model_config = ConfigDict(extra="ignore")


class QuestionWire(Wire):
    """A question, with paths as text."""

    reference: str
    current: str
    columns: dict[str, Kind]
    html: str
    json_file: str
    workspace: str | None
    project: str
    task: Task | None
    labels: tuple[str | None, str] | None
    at: float | None
    notes: tuple[str, ...] = ()
    threshold: float

    @classmethod
    def of(cls, asked: Question) -> "QuestionWire":
        """Return a question as it is sent."""
        labels = asked.labels and (
            asked.labels[0] and str(asked.labels[0]),
            str(asked.labels[1]),
        )
        return cls(
            reference=str(asked.reference), current=str(asked.current),
            columns=dict(asked.columns), html=str(asked.html), json_file=str(asked.json),
            workspace=asked.workspace and str(asked.workspace), project=asked.project,
            task=asked.task, labels=labels, at=asked.at, notes=asked.notes,
            threshold=asked.threshold,
        )  # fmt: skip

    def to_model(self) -> Question:
        """Return the question that was sent."""
        labels = self.labels and (
            Path(self.labels[0]) if self.labels[0] else None,
            Path(self.labels[1]),
        )
        return Question(
            Path(self.reference), Path(self.current), self.columns, Path(self.html),
            Path(self.json_file), Path(self.workspace) if self.workspace else None, self.project,
            self.task, labels, self.at, self.notes, self.threshold,
        )  # fmt: skip


class ScoreWire(Wire):
    """One column's."""

    name: str
    method: str = ""
    value: float | None = None
    threshold: float | None = None
    failed: str = ""


class ReportWire(Wire):
    """What the process prints at its end."""

    version: str
    scores: list[ScoreWire]
    quality: dict[str, float] = {}
    trouble: list[str] = []

    def to_model(self) -> Report:
        """Return what was found."""
        scores = tuple(
            Score(one.name, one.method, one.value, one.threshold, one.failed) for one in self.scores
        )
        return Report(self.version, scores, self.quality, tuple(self.trouble))
