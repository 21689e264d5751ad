"""The log of a task as Airflow tells it: structured lines, some with a traceback."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from services.engines.airflow.models import LogLine, LogPage


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    filename: str = "?"
    lineno: int = 0
    name: str = "?"


class _Raised(BaseModel):
    """An exception as the task's process told it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    exc_type: str = "Error"
    exc_value: str = ""
    frames: list[_Frame] = []

    def text(self) -> str:
        frames = [
            f'  File "{one.filename}", line {one.lineno}, in {one.name}' for one in self.frames
        ]
        return "\n".join([*frames, f"{self.exc_type}: {self.exc_value}"])


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    timestamp: datetime | None = None
    event: str = ""
    level: str | None = None
    logger: str | None = None
    error_detail: object = None

    def to_model(self) -> LogLine:
        return LogLine(
            self.timestamp, self.level, self.logger, self.event, _error(self.error_detail)
        )


def _error(detail: object) -> str | None:
    """Return the traceback, the cause first as Python prints it; None when there is none."""
    said = detail if isinstance(detail, list) else []
    found = []
    for one in said:
        try:
            found.append(_Raised.model_validate(one).text())
        except ValidationError:
            found.append(str(one))
    return "\n".join(reversed(found)) or None


class LogWire(BaseModel):
    """A part of a log: structured lines, or plain ones when its file could not be read as such."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    content: list[_Line | str]
    continuation_token: str | None = None

    def to_model(self) -> LogPage:
        """Return it in our words."""
        lines = (
            LogLine(None, None, None, line, None) if isinstance(line, str) else line.to_model()
            for line in self.content
        )
        return LogPage(tuple(lines), self.continuation_token)
