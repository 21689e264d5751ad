"""Asks Evidently in a process of its own: it takes seconds to load and 300 MB."""

import sys
import tempfile
from pathlib import Path

from services.engines.command import Run, run
from services.engines.evidently.models import Question, Report
from services.engines.evidently.wire import QuestionWire, ReportWire
from services.engines.parse import parse

TIMEOUT_S = 300.0


class Evidently:
    """Writes full reports."""

    name = "Evidently"

    def __init__(self, command: Run = run, python: str = sys.executable) -> None:
        self._run, self._python = command, python

    def report(self, asked: Question) -> Report:
        """Write the report of two tables as HTML and JSON, and keep it in the workspace.

        A column that Evidently fails on says so in its score; the rest is in the report.

        Raises:
            EngineError: It is not installed, did not end in time, or wrote nothing.
        """
        with tempfile.TemporaryDirectory(prefix="mlops-evidently-") as folder:
            question = Path(folder) / "question.json"
            question.write_text(QuestionWire.of(asked).model_dump_json(), encoding="utf-8")
            arguments = (self._python, "-P", "-m", "services.engines.evidently", str(question))
            return parse(self.name, ReportWire, self._run(arguments, TIMEOUT_S)).to_model()
