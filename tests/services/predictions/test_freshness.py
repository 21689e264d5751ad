"""When the last label of a model came, out of what files say of themselves."""

import pytest

from services.errors import PlatformError
from services.home import Home
from services.predictions import freshness
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.predictions.records import NOON, compacted, record, request_id


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    made.create()
    return made


def labelled(home, *told: tuple[str, str, float, float]):
    """Write (project, model, predicted at, labelled at) and compact them."""
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for project, model, at, said_at in told:
        one = request_id(at)
        log.append(record(at, id=one, project=project, model=model))
        log.append_feedback(Feedback(one, said_at, "yes", project))
    log.close()
    compacted(home, NOON)


def test_the_last_label_of_each_model_is_told(home):
    labelled(
        home,
        ("a", "m", NOON - 7200, NOON - 600), ("a", "m", NOON - 7100, NOON - 300),
        ("b", "m", NOON - 7000, NOON - 100),
    )  # fmt: skip
    labelled(home, ("a", "m", NOON - 90_000, NOON - 50))  # of the day before, and later
    assert freshness.last_labels(home) == {("a", "m"): NOON - 50, ("b", "m"): NOON - 100}


def test_without_a_label_there_is_none(home):
    assert freshness.last_labels(home) == {}
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    log.append(record(NOON - 60))
    log.close()
    compacted(home, NOON)
    assert freshness.last_labels(home) == {}


def test_a_damaged_file_is_a_sentence(home):
    labelled(home, ("a", "m", NOON - 7200, NOON - 600))
    (path,) = Folder(home).feedback("a", "m")[0].files()
    path.write_bytes(b"PAR1")
    with pytest.raises(PlatformError, match="cannot be read"):
        freshness.last_labels(home)
