"""Parameters of a launch: refused before it, or handed to the command as they are."""

import argparse
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_workflows.spec import Parameter as SpecParameter
from mlops_workflows.spec import SpecError

from services.errors import InputError
from services.projects.contract import Contract
from services.workflows.params import checked, from_text

CONTRACT = Contract.model_validate(
    {
        "id": "toy",
        "title": "Toy",
        "train": "python train.py",
        "params": {
            "epochs": {"type": "int", "default": 3, "min": 1, "max": 10},
            "learning_rate": {"type": "float"},
            "note": {"type": "str", "default": ""},
            "shuffle": {"type": "bool", "default": True},
            "technique": {"type": "choice", "choices": ["lora", "full"], "default": "lora"},
        },
    }
)


def test_good_parameters_come_back_typed():
    given_ = {"epochs": "5", "learning_rate": "1e-3", "shuffle": "no", "technique": "full"}
    wanted = {"epochs": 5, "learning_rate": 1e-3, "shuffle": False, "technique": "full"}
    assert from_text(CONTRACT, given_) == wanted
    assert checked(CONTRACT, {"learning_rate": None}) == {}


def test_every_wrong_parameter_is_named_before_anything_is_launched():
    with pytest.raises(InputError) as caught:
        from_text(
            CONTRACT,
            {
                "epochs": "11",
                "learning_rate": "fast",
                "shuffle": "perhaps",
                "technique": "x",
                "depth": "1",
            },
        )
    said = str(caught.value)
    for part in (
        "epochs is 11, above the most of 10",
        "learning_rate is 'fast', which is no number",
        "shuffle is 'perhaps', which is no true or false",
        "technique is 'x', which is not one of lora, full",
        "no parameter 'depth'; it has epochs",
        "Nothing was started.",
    ):
        assert part in said


@pytest.mark.parametrize("value", [True, 2.0, "3", [3], None, float("nan"), 10**400, -1])
def test_what_is_no_whole_number_in_range_is_refused(value: object):
    with pytest.raises(InputError, match="epochs"):
        checked(CONTRACT, {"epochs": value})


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("--epochs", type=int)
    made.add_argument("--learning-rate", type=float)
    made.add_argument("--note")
    made.add_argument("--shuffle", action=argparse.BooleanOptionalAction)
    return made


@given(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
    st.booleans(),
)
def test_what_was_launched_is_what_the_command_reads(
    epochs: int, rate: float, note: str, shuffle: bool
):
    """Also text that looks like an option, holds quotes or line ends: no shell is in between."""
    known = {
        "epochs": (SpecParameter("epochs", "int", 3), epochs),
        "learning_rate": (SpecParameter("learning_rate", "float"), rate),
        "note": (SpecParameter("note", "str", ""), note),
        "shuffle": (SpecParameter("shuffle", "bool", default=True), shuffle),
    }
    words = [word for one, value in known.values() for word in one.words(value)]
    read = parser().parse_args(words)
    assert (read.epochs, read.learning_rate, read.note, read.shuffle) == (
        epochs,
        rate,
        note,
        shuffle,
    )
    assert shlex.split(shlex.join(words)) == words


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_infinite_number_reaches_a_command(value: float):
    with pytest.raises(SpecError, match="no number to train with"):
        list(SpecParameter("rate", "float").words(value))


def test_a_parameter_that_need_not_be_given_is_left_to_the_command():
    assert list(SpecParameter("seed", "int").words(None)) == []
    assert SpecParameter("seed", "int").schema()["type"] == ["null", "integer"]
    assert SpecParameter("seed", "choice", None, choices=("a",)).schema()["enum"] == ["a", None]
