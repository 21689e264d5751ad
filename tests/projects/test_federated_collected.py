"""Project 06 learns from the labelled rows that were collected of its deployment."""

import time

import numpy as np
import pytest

from services.home import Home
from services.predictions import collected
from services.predictions.collecting import Collecting, Wanted
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.predictions.records import record

PROJECT = "06_Federated_Learning"
NAME, MODEL = "federated-learning", "federated-learning-digits"


@pytest.fixture
def federated(project_module):
    return lambda module: project_module(PROJECT, f"federated.{module}")


@pytest.fixture
def collect(tmp_path):
    """Return a function that has images asked with labels, and collected into ``data``."""
    home = Home(tmp_path / "home")
    home.create()
    begin = time.time() - 3600

    def made(images, labels, number: int):
        at = begin + 60 * number
        log = PredictionLog.open(home, f"w{number}", reserve_bytes=1 << 16)
        one = record(
            at, project=NAME, model=MODEL, rows=len(images), inputs={"image": images},
            outputs={"label": np.zeros(len(images), np.int64)},
        )  # fmt: skip
        log.append(one)
        log.append_feedback(Feedback(one.id, at + 5, np.asarray(labels, object).tolist()))
        log.close()
        wanted = Wanted(NAME, MODEL, at - 1, at + 1, labelled=True)
        path = tmp_path / "data" / "collected" / f"{number}.parquet"
        part = path.with_name("part")
        collected.write(part, path, Collecting(home, wanted), wanted, lambda _: None)
        return tmp_path / "data"

    return made


def test_without_collected_rows_it_trains_as_ever(federated, tmp_path):
    own = federated("data").load()
    found = federated("collected").load(tmp_path / "data", MODEL, own)
    assert (len(found.train), len(found.held_out), len(found.now)) == (0, 0, 0)
    assert len(federated("collected").added(own["train"], found.train)) == len(own["train"])


def test_what_was_asked_is_split_once_and_never_holds_our_own_held_out_images(federated, collect):
    own = federated("data").load()
    test, load = own["test"], federated("collected").load
    shifted = 1 - test.images
    asked = np.concatenate([shifted, shifted[:50], test.images[:20], own["val"].images[:20]])
    digits = np.concatenate([test.labels, test.labels[:50], test.labels[:20], np.zeros(20)])
    folder = collect(asked, digits, 0)

    found = load(folder, MODEL, own)

    parts = [{image.tobytes() for image in part.images} for part in (found.train, found.held_out)]
    assert parts[0] | parts[1] == {image.tobytes() for image in shifted}
    assert not parts[0] & parts[1]
    assert 50 < len(found.held_out) < 100
    right = {image.tobytes(): label for image, label in zip(shifted, test.labels, strict=True)}
    for image, label in zip(found.train.images, found.train.labels, strict=True):
        assert right[image.tobytes()] == label
    assert len(found.now) == len(found.held_out)
    whole = federated("collected").added(own["train"], found.train)
    assert len(whole) == len(own["train"]) + 3 * len(found.train)


def test_the_reference_is_what_is_asked_now(federated, collect):
    own = federated("data").load()
    images, labels = own["train"].images, own["train"].labels
    collect(1 - images[:300], labels[:300], 0)
    folder = collect(images[:300] / 2, labels[:300], 1)

    found = federated("collected").load(folder, MODEL, own)

    assert len(found.now) >= 50
    assert found.now.images.max() <= 0.5
    assert found.held_out.images.max() == 1
    few = collect(images[:40] / 4, labels[:40], 2)
    assert federated("collected").load(few, MODEL, own).now.images.max() == 0.5


def test_what_is_no_digit_is_left_out(federated, collect):
    own = federated("data").load()
    folder = collect(own["train"].images[:4] / 2, [12, 3, 3.5, -1], 0)
    found = federated("collected").load(folder, MODEL, own)
    assert [*found.train.labels, *found.held_out.labels] == [3]
    folder = collect(own["train"].images[:1] / 4, [True], 1)
    found = federated("collected").load(folder, MODEL, own)
    assert [*found.train.labels, *found.held_out.labels] == [3]


def test_one_label_as_text_loses_no_other(federated, collect):
    own = federated("data").load()
    folder = collect(own["train"].images[:5] / 2, [3, "7", "x", 5.0, True], 0)
    found = federated("collected").load(folder, MODEL, own)
    assert sorted([*found.train.labels, *found.held_out.labels]) == [3, 5, 7]


def test_our_own_images_are_in_no_part(federated, collect):
    own = federated("data").load()
    images, labels = own["train"].images[:400], own["train"].labels[:400]
    folder = collect(np.concatenate([images, images[:8] / 2]), [*labels, *labels[:8]], 0)
    found = federated("collected").load(folder, MODEL, own)
    assert len(found.train) + len(found.held_out) == 8
    assert len(found.now) == 0
