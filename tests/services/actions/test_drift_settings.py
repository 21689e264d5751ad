"""How strictly a deployment is judged is set, told beforehand, taken back, and undone."""

from pathlib import Path

import pytest

from services.actions import catalog
from services.actions.action import Deed
from services.actions.drift_settings import SetDriftSettings
from services.actions.roles import Actor
from services.errors import DeniedError, InputError, MlopsError, NotFoundError
from services.monitoring import settings
from services.monitoring.models import Settings
from tests.services.actions.conftest import OWNER, Clock
from tests.services.actions.serving_lab import Lab, copied, made

MINE = SetDriftSettings("lora", "net", ("input.seed",), 0.3)


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


def counts(lab: Lab, model: str = "net") -> Settings:
    return settings.of(settings.all_said(lab.context.journal), "lora", model)


def test_they_are_told_kept_and_taken_back(lab: Lab):
    told = MINE.consequences(lab.context)
    assert told[0] == (
        "From the next check on: A shift counts from 0.3 on, with at most 0.01 false alarms a day; "
        "all inputs but input.seed are compared. Until now: A shift counts from 0.1 on, with at "
        "most 0.01 false alarms a day; all inputs are compared."
    )
    assert told[-1] == "Nobody is told any more when input.seed drifts."
    assert lab.begin(MINE).state == "done"
    assert lab.begin(SetDriftSettings("lora", threshold=0.5)).state == "done"
    assert counts(lab) == Settings(("input.seed",), 0.3)
    assert counts(lab, "other") == Settings(threshold=0.5)
    assert lab.begin(SetDriftSettings("lora", "net", reset=True)).state == "done"
    assert counts(lab) == Settings(threshold=0.5)


def test_what_is_undone_is_as_it_was(lab: Lab):
    lab.begin(MINE)
    (step,) = SetDriftSettings("lora", "net", threshold=0.7).steps(lab.context, Deed(5, OWNER))
    step.do()
    assert counts(lab) == Settings(threshold=0.7)
    assert step.undo is not None
    step.undo()
    assert counts(lab) == Settings(("input.seed",), 0.3)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (SetDriftSettings("lora", "net", ("output.label",)), InputError),
        (SetDriftSettings("lora", "net", threshold=0), InputError),
        (SetDriftSettings("lora", "net", alarms_a_day=float("nan")), InputError),
        (SetDriftSettings("lora", "none"), NotFoundError),
        (SetDriftSettings("none"), NotFoundError),
    ],
)
def test_what_cannot_be_is_refused(lab: Lab, action: SetDriftSettings, error: type[MlopsError]):
    with pytest.raises(error):
        lab.submit(action)


def test_viewers_may_not_and_it_is_read_back_from_the_journal(lab: Lab):
    with pytest.raises(DeniedError):
        lab.submit(MINE, Actor("vera", "viewer", None, "user"))
    read = catalog.load(MINE.kind, catalog.dump(MINE))
    assert isinstance(read, SetDriftSettings)
    assert read.wanted == MINE.wanted
