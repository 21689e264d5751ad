import stat
from typing import TYPE_CHECKING

import numpy as np
import pytest

from services.home import Home
from services.predictions import monitoring, privacy, reading
from services.predictions.log import LogFullError, PredictionLog
from services.predictions.models import Feedback
from services.predictions.privacy import COLUMNS_BYTES, Masking, encoded, full
from tests.services.predictions.records import NOON, compacted, on_disk, record

if TYPE_CHECKING:
    from services.serving.models import Privacy


@pytest.fixture
def log(home: Home):
    made = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    yield made
    made.close()


def test_off_keeps_no_column_anywhere(home: Home, log: PredictionLog):
    log.append(record(), privacy="off")
    log.close()
    assert not on_disk(home, b"Grace")
    compacted(home)
    assert not on_disk(home, b"Grace")
    (seen,) = reading.recent(home)
    assert (seen.kept, seen.inputs, seen.outputs, seen.rows) == ("dropped", None, None, 2)
    assert seen.latency_ms == 2.5
    assert len(monitoring.features(home, "clip-finetuning", "clip")) == 0


def test_hash_keeps_what_can_be_compared_and_nothing_else(home: Home, log: PredictionLog):
    log.append(record(), privacy="hash")
    log.append(record(NOON + 1, inputs={"age": [44, 1], "name": ["Ada", "Eve"]}), privacy="hash")
    log.close()
    assert not on_disk(home, b"Grace")
    compacted(home)
    assert not on_disk(home, b"Grace")
    later, first = reading.recent(home)
    assert first.kept == "hashed"
    assert first.inputs is not None
    assert later.inputs is not None
    assert first.inputs["name"][0] == later.inputs["name"][0]
    assert first.inputs["age"][1] == later.inputs["age"][0]
    assert len({*first.inputs["name"], *first.inputs["age"]}) == 4
    typed = monitoring.features(home, "clip-finetuning", "clip").to_pydict()
    assert typed["input.name"] == [*first.inputs["name"], *later.inputs["name"]]


def test_hashes_of_projects_cannot_be_compared(home: Home, log: PredictionLog):
    log.append(record(), privacy="hash")
    log.append(record(NOON - 1, project="other"), privacy="hash")
    one, other = reading.recent(home)
    assert one.inputs != other.inputs


def test_hashes_of_arrays_are_those_of_lists(home: Home, log: PredictionLog):
    import numpy as np

    log.append(record(inputs={"v": np.array([[1.0, 2.5], [0.5, 4.0]])}), privacy="hash")
    log.append(record(inputs={"v": [[1.0, 2.5], [0.5, 4.0]]}), privacy="hash")
    log.append(record(inputs=b'{"v":[[1.0, 2.5], [0.5, 4.0]]}'), privacy="hash")
    first, *others = reading.recent(home)
    assert first.inputs
    assert [one.inputs for one in others] == [first.inputs] * 2


def test_the_key_is_its_owners_and_made_once(home: Home, log: PredictionLog):
    log.append(record(), privacy="hash")
    path = home.secrets / "predictions-privacy.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_bytes()
    other = PredictionLog.open(home, "other", reserve_bytes=1 << 16)
    other.append(record(), privacy="hash")
    other.close()
    assert path.read_bytes() == key
    assert [p.name for p in home.secrets.iterdir()] == [path.name]
    one, another = reading.recent(home)
    assert one.inputs == another.inputs


def test_sample_keeps_the_columns_of_a_share(home: Home, log: PredictionLog):
    for _ in range(400):
        log.append(record(), privacy="sample", sample=0.25)
    kept = [one.kept for one in reading.recent(home, limit=400)]
    assert 50 < kept.count("full") < 150
    assert kept.count("full") + kept.count("dropped") == 400


def test_a_label_can_be_compared_with_a_hashed_output(home: Home, log: PredictionLog):
    one = record(outputs={"label": ["yes", "no"]})
    log.append(one, privacy="hash")
    log.append_feedback(Feedback(one.id, NOON + 60, "yes"))
    for _ in range(2):  # before and after it is in Parquet
        (label,) = monitoring.labelled(home, "clip-finetuning", "clip").to_pylist()
        (seen,) = reading.recent(home)
        assert seen.outputs is not None
        assert label["kept"] == "hashed"
        assert label["label"] == f'"{seen.outputs["label"][0]}"'
        log.close()
        compacted(home)


def test_a_label_is_hashed_at_once_where_that_is_known_to_be_wanted(home: Home, log: PredictionLog):
    one = record(outputs={"label": ["Grace", "no"]}, inputs=None)
    log.append(one, privacy="hash")
    said = Feedback(one.id, NOON + 60, "Grace", project="clip-finetuning")
    log.append_feedback(said, privacy="hash")
    log.append_feedback(Feedback("gone", NOON, "Grace"), privacy="off")
    assert not on_disk(home, b"Grace")
    log.close()
    compacted(home)
    (label,) = monitoring.labelled(home, "clip-finetuning", "clip").to_pylist()
    (seen,) = reading.recent(home)
    assert seen.outputs is not None
    assert label["label"] == f'"{seen.outputs["label"][0]}"'


def test_a_label_of_a_prediction_without_columns_is_counted_alone(home: Home, log: PredictionLog):
    one = record()
    log.append(one, privacy="off")
    log.append_feedback(Feedback(one.id, NOON + 60, "yes"))
    log.close()
    compacted(home)
    (label,) = monitoring.labelled(home, "clip-finetuning", "clip").to_pylist()
    assert (label["kept"], label["label"], label["outputs"]) == ("dropped", "null", None)


def test_a_models_words_stay_only_where_what_it_was_asked_stays(home: Home):
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    ways: tuple[tuple[Privacy, float], ...] = (
        ("full", 1.0), ("sample", 1.0), ("sample", 0.0), ("hash", 1.0), ("off", 1.0),
    )  # fmt: skip
    for number, (mode, sample) in enumerate(ways):
        quoting = record(NOON + number, status=500, outputs=None, error="KeyError: 'Ada Lovelace'")
        log.append(quoting, privacy=mode, sample=sample)
    log.close()
    kept = [one.error for one in reversed(reading.recent(home))]
    assert kept == ["KeyError: 'Ada Lovelace'"] * 2 + [None] * 3
    assert {one.status for one in reading.recent(home)} == {500}


def test_nothing_is_hashed_of_what_is_too_large(home: Home, monkeypatch):
    masking = Masking(home)
    rows = COLUMNS_BYTES // 35
    assert masking.columns(record(inputs={"x": [1] * 10}), "hash", 1.0)[0] == "hashed"
    monkeypatch.setattr(Masking, "_hash", lambda *_: pytest.fail("hashed in vain"))
    for outputs in (None, {"y": list(range(rows))}):
        one = record(inputs={"x": list(range(rows + 1))}, outputs=outputs)
        assert masking.columns(one, "hash", 1.0)[0] == "too-large"


def test_what_hashes_fit_is_hashed(home: Home):
    most = (COLUMNS_BYTES - len('{"x":[]}') + 1) // 35
    one = record(inputs={"x": list(range(most))}, outputs=None)
    assert Masking(home).columns(one, "hash", 1.0)[0] == "hashed"


def test_without_a_key_to_hash_with_nothing_is_kept_unhashed(home: Home, log: PredictionLog):
    (home.secrets / "predictions-privacy.key").mkdir(parents=True)
    with pytest.raises(LogFullError, match="can be neither read nor made"):
        log.append(record(), privacy="hash")
    assert not log.problem  # the disk is not what is amiss
    log.append(record(), privacy="full")
    assert reading.count(home) == 1


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<i8", "?"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 7), (2, -1)])
def test_what_is_found_too_large_early_is_what_is_too_large(kind: str, shape: tuple[int, ...]):
    rng = np.random.default_rng(5)
    for count in (14 * 1000, 14 * 12_000, 14 * 30_000, 14 * 60_000, 14 * 120_000, 14 * 200_000):
        array = (rng.standard_normal(count) * 3).astype(kind).reshape(shape)
        columns = {"x": array, "y": ["a"] * 10}
        whole = encoded(columns)
        fits = len(whole) <= COLUMNS_BYTES
        assert full(columns) == (whole if fits else None), count
        if fits:
            assert not privacy._surely_too_large(columns), count
