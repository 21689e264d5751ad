"""Questions and answers survive their way to Evidently's process and back."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from services.engines.evidently import keeping
from services.engines.evidently.adapter import Evidently
from services.engines.evidently.models import Question, Report, Score
from services.engines.evidently.wire import QuestionWire
from services.errors import EngineMissingError, EngineProtocolError

ASKED = Question(
    Path("/r"), Path("/c"), {"age": "numeric", "city": "category"}, Path("/o.html"),
    Path("/o.json"), Path("/w"), "p / m", "regression", (Path("/l"), Path("/k")), 12.5, ("Said.",),
    0.25,
)  # fmt: skip


@pytest.mark.parametrize("labels", [ASKED.labels, (None, Path("/k")), None])
def test_a_question_reads_back_as_it_was_asked(labels):
    asked = replace(ASKED, labels=labels)
    sent = QuestionWire.of(asked).model_dump_json()
    assert QuestionWire.model_validate_json(sent).to_model() == asked


def test_an_answer_is_read_and_columns_that_failed_are_named():
    def run(arguments, timeout_s):
        assert arguments[2:4] == ("-m", "services.engines.evidently")
        asked = QuestionWire.model_validate_json(Path(arguments[4]).read_bytes()).to_model()
        assert (asked, timeout_s) == (ASKED, 300.0)
        scores = [{"name": "age", "method": "wasserstein", "value": 0.5, "threshold": 0.1},
                  {"name": "city", "failed": "Evidently failed on it: no."}]  # fmt: skip
        return json.dumps({"version": "0.7.23", "scores": scores, "more": 1}).encode()

    assert Evidently(run, "python").report(ASKED) == Report(
        "0.7.23",
        (
            Score("age", "wasserstein", 0.5, 0.1),
            Score("city", "", None, None, "Evidently failed on it: no."),
        ),
    )


def test_nonsense_and_a_missing_program_are_sentences():
    with pytest.raises(EngineProtocolError):
        Evidently(lambda *_: b"Traceback", "python").report(ASKED)
    with pytest.raises(EngineMissingError):
        Evidently(python="/no/such/python").report(ASKED)


class Space:
    """A workspace whose folder lists reports as it likes."""

    def __init__(self, runs: list[UUID]) -> None:
        self.runs = runs

    def list_runs(self, _project: object) -> list[UUID]:
        return list(self.runs)

    def delete_run(self, _project: object, one: UUID) -> None:
        self.runs.remove(one)


def test_the_oldest_reports_leave_the_workspace():
    runs = [UUID(int=(n << 80) + 7) for n in range(keeping.KEPT + 3)]
    space = Space([runs[-1], *runs[:-1][::-1]])
    keeping.forget(space, "p")  # type: ignore[arg-type]  # as much of one as is asked
    assert sorted(space.runs) == runs[3:]
