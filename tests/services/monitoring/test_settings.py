"""How strictly a deployment is judged: what counts for it, and that checks hold to it."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.journal import Journal
from services.errors import InputError
from services.home import Home
from services.monitoring import settings
from services.monitoring.computing import Monitor
from services.monitoring.models import Settings
from services.monitoring.settings import Said
from services.monitoring.store import VerdictStore
from services.settings import Settings as Platform
from tests.services.monitoring.predicted import HOUR_S, NOON, asked
from tests.services.monitoring.test_computing import TrackingServer, by_kind, evaluated


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    with contextlib.closing(Journal.open(Platform())) as journal:
        yield journal


def test_a_models_own_go_before_its_projects_and_those_before_the_default(journal: Journal):
    mine, of_all = Settings(("input.seed",), 0.3), Settings((), 0.2, 0.1)
    settings.put(journal, "p", "m", Said(mine, "ana", NOON))
    settings.put(journal, "p", "", Said(of_all, "ben", NOON))
    known = settings.all_said(journal)
    found = [settings.of(known, *name) for name in (("p", "m"), ("p", "other"), ("q", "m"))]
    assert found == [mine, of_all, Settings()]
    settings.put(journal, "p", "m", None)
    assert settings.of(settings.all_said(journal), "p", "m") == of_all


@given(
    ignored=st.lists(st.text(max_size=20)), threshold=st.floats(), alarms=st.floats(),
)  # fmt: skip
def test_what_is_taken_is_in_range_and_comes_back_as_it_was(
    ignored: list[str], threshold: float, alarms: float
):
    wanted = Settings(tuple(f"input.{name}" for name in ignored), threshold, alarms)
    try:
        settings.check(wanted)
    except InputError:
        return
    assert settings.THRESHOLDS[0] <= threshold <= settings.THRESHOLDS[1]
    assert settings.ALARMS[0] <= alarms <= settings.ALARMS[1]
    assert Settings.from_json(wanted.as_json()) == wanted


@pytest.mark.parametrize(
    "wanted", [Settings(("output.label",)), Settings(threshold=0), Settings(alarms_a_day=2)]
)
def test_what_cannot_be_is_refused_with_a_sentence(wanted: Settings):
    with pytest.raises(InputError, match=r"\.$"):
        settings.check(wanted)


def test_a_check_holds_to_them_and_the_verdict_names_them(home: Home):
    asked(home, NOON - HOUR_S, 2500, seed=2, change=lambda inputs: {**inputs, "a": [9.0]})
    found = {}
    for held in (Settings(), Settings(("input.a",)), Settings(threshold=5.0)):
        with contextlib.closing(VerdictStore(home)) as store:
            monitor = Monitor(home, store, TrackingServer(evaluated()), settings=held)  # type: ignore[arg-type]
            checked = monitor.check("p", "m", 3, report=False, now=NOON)
        verdict = found[held] = by_kind(checked)["data"]
        assert verdict.held_to == held.as_json()
    plain, without, loose = found.values()
    assert [one.name for one in plain.columns if one.state == "drifted"] == ["input.a"]
    assert "input.a" not in {one.name for one in without.columns}
    assert (without.state, loose.state) == ("steady", "drifted")
    assert {one.threshold for one in loose.columns} == {5.0}
