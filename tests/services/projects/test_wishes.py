"""The keys of a contract about workflows."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.projects.contract import look
from services.projects.wishes import Parameter, Wishes, span_s
from tests.services.projects.test_projects import GOOD, make

FULL = """
params.epochs = { type = "int", default = 3, min = 1, max = 100, title = "Epochs" }
params.rate = { type = "float" }
schedule = "0 3 * * mon-fri"
needs = { memory_gb = 12, gpu_cores = 16, chip = "M3", gpu_slots = 2 }
timeout = "1h30m"
retries = 2
weight = 2.5
quota_hours = 40
dags = ["workflows.py"]
federated = { server = "python serve.py", client = "python join.py", clients = 4 }
"""


def test_the_keys_of_workflows_read(tmp_path: Path):
    contract = look(make(tmp_path, "a", GOOD + FULL)).contract
    assert contract is not None
    assert contract.params["epochs"] == Parameter(
        type="int", default=3, min=1, max=100, title="Epochs"
    )
    assert contract.params["rate"].default is None
    assert contract.timeout_s == 5400
    assert (contract.needs.memory_gb, contract.needs.gpu_slots) == (12, 2)
    assert (contract.retries, contract.weight, contract.quota_hours) == (2, 2.5, 40)
    assert contract.federated is not None
    assert contract.federated.clients == 4


def test_all_of_them_may_be_left_out(tmp_path: Path):
    contract = look(make(tmp_path, "a")).contract
    assert contract is not None
    assert (contract.params, contract.schedule, contract.retries) == ({}, "", 1)
    assert contract.timeout_s == 86_400


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('params = { Epochs = { type = "int" } }', "'Epochs' is no name"),
        ('params = { reason = { type = "str" } }', "workflows have of their own"),
        ('params = { a = { type = "integer" } }', "'int', 'float', 'str', 'bool' or 'choice'"),
        ('params = { a = { type = "int", default = 2.5 } }', "2.5, which is no whole number"),
        ('params = { a = { type = "int", default = true } }', "True, which is no whole number"),
        ('params = { a = { type = "int", default = 9, max = 8 } }', "9, above the most of 8"),
        ('params = { a = { type = "float", default = 0, min = 1 } }', "0, below the least of 1"),
        ('params = { a = { type = "float", default = nan } }', "params"),
        ('params = { a = { type = "int", min = 2, max = 1 } }', "min 2 is above max 1"),
        ('params = { a = { type = "str", min = 2 } }', "min and max are for numbers"),
        ('params = { a = { type = "choice" } }', "choices"),
        ('params = { a = { type = "int", choices = ["1"] } }', "choices"),
        ('params = { a = { type = "choice", choices = ["x", "x"] } }', "listed twice"),
        ('params = { a = { type = "choice", choices = ["x"], default = "y" } }', "not one of x"),
        ('params = { a = { type = "bool", default = "yes" } }', "no true or false"),
        ('params = { a = { type = "int", defalut = 1 } }', "defalut"),
        ("params = 3", "params"),
        ('schedule = "every monday"', "is no schedule"),
        ('schedule = "60 * * * *"', "'60' of the schedule"),
        ('schedule = "* * * * mon-fri-sat"', "of the schedule"),
        ('schedule = "*/0 * * * *"', "of the schedule"),
        ('schedule = "5-1 * * * *"', "of the schedule"),
        ('timeout = "soon"', "is no time"),
        ('timeout = "31d"', "at most 30 days"),
        ("timeout = 3600", "timeout"),
        ("retries = 11", "retries"),
        ("weight = 0", "weight"),
        ("needs = { memory_gb = -1 }", "memory_gb"),
        ("needs = { ram = 3 }", "ram"),
        ('dags = ["../other.py"]', "no Python file in the project's folder"),
        ('dags = ["/etc/x.py"]', "no Python file in the project's folder"),
        ('dags = ["notes.txt"]', "no Python file in the project's folder"),
        ('federated = { server = "python s.py" }', "client"),
    ],
)
def test_a_wrong_key_is_a_sentence_that_names_it(tmp_path: Path, line: str, said: str):
    project = look(make(tmp_path, "a", GOOD + line + "\n"))
    assert project.contract is None
    told = " ".join(project.reasons)
    assert told.startswith("[tool.mlops] ")
    assert line.split(" =")[0] in told
    assert said in told


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1d", 86400), ("1.5h", 5400),
     ("10 min", 600), ("1h 5s", 3605)],
)  # fmt: skip
def test_spans(text: str, seconds: float):
    assert span_s(text) == seconds


@given(st.text(max_size=30))
def test_any_text_is_a_span_or_refused(text: str):
    try:
        seconds = span_s(text)
    except ValueError:
        return
    assert 0 < seconds <= 30 * 86_400
    assert text.strip()[0].isdigit()


@given(st.text(alphabet="0123456789*/,-monfrija ", max_size=30))
def test_any_schedule_is_taken_or_refused_in_words(text: str):
    try:
        kept = Wishes(schedule=text).schedule
    except ValidationError:
        return
    assert kept == text
    assert len(text.split()) in {0, 5}


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 0-6,22 1 jan-mar sun", "@daily", "5 4 * * 7"])
def test_schedules_that_airflow_takes_are_taken(cron: str):
    assert Wishes(schedule=cron).schedule == cron


@given(
    st.sampled_from(["int", "float", "str", "bool"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
    ),
)
def test_a_value_is_judged_by_its_type_alone(kind: str, value: object):
    fault = Parameter(type=kind).fault(value)  # type: ignore[arg-type]  # one of the literals
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < float("inf"),
        "str": isinstance(value, str) and "\0" not in value,
        "bool": isinstance(value, bool),
    }[kind]
    assert bool(fault) != fits
