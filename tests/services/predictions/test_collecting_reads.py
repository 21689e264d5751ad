"""What collecting reads of the log: inputs and outputs of a piece alone, never of all of it."""

from typing import Any

import pytest

from services.home import Home
from services.predictions import monitoring, querying
from services.predictions.collecting import Collecting
from services.predictions.models import Feedback
from tests.services.predictions.records import compacted, record, written
from tests.services.predictions.test_collecting import wanted
from tests.services.predictions.test_compaction import M, P
from tests.services.predictions.test_labels import said


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Of each query the columns of its answer."""
    found: list[list[str]] = []
    real = querying.query

    def query(*arguments: Any, **more: Any) -> Any:
        relation = real(*arguments, **more)
        found.append(relation.columns)
        return relation

    monkeypatch.setattr(querying, "query", query)
    return found


def labelled(home: Home) -> None:
    one = record()
    written(home, one, record())
    said(home, Feedback(one.id, one.at + 5, ["yes", "no"]))
    compacted(home)


@pytest.mark.parametrize("only", [False, True])
def test_before_the_rows_no_text_is_had(home: Home, asked: list[list[str]], only: bool):
    labelled(home)
    asked.clear()
    reads = Collecting(home, wanted(labelled=only))
    assert reads.found().labels == 1
    ((since, until),) = reads.pieces()
    assert len(asked) == 3
    assert not {"inputs", "outputs"} & {name for names in asked for name in names}
    assert [one.labels for one in reads.read(since, until)].count(["yes", "no"]) == 1


def test_of_labels_the_columns_that_are_wanted_are_read(home: Home):
    labelled(home)
    whole = monitoring.labelled(home, P, M)
    some = monitoring.labelled(home, P, M, names=("id", "label"))
    assert some.column_names == ["id", "label"]
    assert some.to_pydict() == whole.select(["id", "label"]).to_pydict()
