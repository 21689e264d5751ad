"""The content of an artifact: the one thing a page asks MLflow itself, and only on a click."""

from dataclasses import dataclass

from dashboard import state
from services.home import Home
from services.reading import Down, Live, read


@dataclass(frozen=True, slots=True)
class Content:
    """What MLflow said of a file."""

    reading: Live[bytes] | Down

    def value_or_sentence(self) -> bytes:
        """Return the bytes, or why there are none: for a file that is downloaded."""
        if isinstance(self.reading, Live):
            return self.reading.value
        return f"{self.reading.engine}: {self.reading.reason} {self.reading.hint}\n".encode()


def content_of(project: str, run_id: str, path: str) -> Content:
    """Return the content of one artifact, or why MLflow could not be asked."""
    from services.engines.registry import build_engines

    settings = state.settings()
    engines = build_engines(Home.locate(), settings.mlflow_url, settings.mlflow_port)
    return Content(read("MLflow", lambda: engines.mlflow.artifact(project, run_id, path)))
