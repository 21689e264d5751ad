"""``mlops drift``: over real verdicts, a real journal, and the process that checks."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from services.actions.action import Context
from services.actions.drift_check import CheckDrift
from services.actions.journal import Journal
from services.actions.roles import Actor
from services.cli import mlops
from services.commands import drift, drift_reading
from services.errors import ConflictError, InputError
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring import baselines, record
from services.monitoring.models import Baseline, ColumnVerdict, Verdict
from services.monitoring.record import Looked, Record
from services.monitoring.store import VerdictStore
from services.serving import routes, store
from services.serving.models import Rollout, Target
from services.serving.routes import Route, Routes
from services.settings import Settings
from tests.services.monitoring.predicted import HOUR_S, asked

Type = Callable[..., Result]
MOVED = ColumnVerdict(
    "input.a", "input", "numeric", "drifted", 0.52, 0.1, "Wasserstein", 0.00001, 600, 2000, 0.62,
    None, None, "a moved: 0.52 standard deviations up, p < 0.0001 (2,000 values beside 600).",
)  # fmt: skip
CALM = ColumnVerdict(
    "input.b", "input", "numeric", "steady", 0.03, 0.1, "Wasserstein", 0.4, 600, 2000, 0.1,
    None, None, "b is as it was.",
)  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    mirror = Store(schema.prepare(Settings().mirror_url)[0])
    mirror.write_project("p", "connected", {"title": "P"})
    mirror.write_project("q", "connected", {"title": "Q"})
    return made


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    made = Journal.open(Settings())
    yield made
    made.close()


@pytest.fixture
def verdicts(home: Home) -> Iterator[VerdictStore]:
    made = VerdictStore(home)
    yield made
    made.close()


def typed(*words: str) -> Result:
    return CliRunner().invoke(mlops, ["drift", *words])


def live(journal: Journal, project: str, model: str, version: int) -> None:
    store.put_rollout(journal, project, model, Rollout(Target(version), action_id=version))
    store.finish_rollout(journal, f"{project}.{model}", version, live=True, said="")


def verdict(
    version: int = 3,
    state: str = "drifted",
    kind: str = "data",
    at: float | None = None,
    project: str = "p",
    severity: str = "high",
) -> Verdict:
    at = time.time() - 100 if at is None else at
    columns = (CALM, MOVED) if state == "drifted" else (CALM,)
    return Verdict(
        f"{project}-{version}-{kind}-{at:.3f}", project, "m", version, kind, at,  # type: ignore[arg-type]
        "the evaluation data", at - 3600, at, 2000, columns, 0.5 if state == "drifted" else 0.0,
        severity if state == "drifted" else "none", state, f"The {kind} of {version} is {state}.",  # type: ignore[arg-type]
    )  # fmt: skip


def test_all_projects_the_worst_first(home: Home, journal: Journal, verdicts: VerdictStore):
    assert "Nothing is in service" in typed("list").output
    for project, model in (("p", "m"), ("q", "m"), ("p", "new"), ("p", "bad")):
        live(journal, project, model, 3)
    verdicts.record([verdict(3, "steady"), verdict(3, "unknown", "accuracy")])
    verdicts.record([verdict(project="q"), verdict(3, "steady", "prediction", project="q")])
    verdicts.record([verdict(2)])  # answers no more
    failed = Looked("p", "bad", 3, 5.0, error="The log cannot be read.", hint="Mend it.")
    record.write(home, Record(1.0, 5.0, "controller", looked={failed.key: failed}))
    done = typed("list")
    assert done.exit_code == 0, done.output
    rows = [line.split("\t") for line in done.output.splitlines()]
    assert [row[:2] for row in rows] == [
        ["q.m", "drifted"], ["p.bad", "failed"], ["p.new", "not checked"], ["p.m", "steady"],
    ]  # fmt: skip
    assert rows[0] == [
        "q.m", "drifted", "high", "50%", "2,000", "2 min", "unknown", "–", "–",
        "The data of 3 is drifted.",
    ]  # fmt: skip
    assert rows[1][-1] == "It could not be checked: The log cannot be read."
    only = json.loads(typed("list", "--project", "q", "--json").stdout)
    assert [one["deployment"] for one in only] == ["q.m"]
    assert typed("list", "--project", "none").exit_code == 1


def test_json_has_the_documented_keys(home: Home, journal: Journal, verdicts: VerdictStore):
    live(journal, "p", "m", 3)
    verdicts.record([verdict(), verdict(3, "steady", "prediction")])
    (found,) = json.loads(typed("list", "--json").stdout)
    assert set(found) == {
        "deployment", "project", "model", "versions", "state", "severity", "kind", "version",
        "verdict", "share", "rows", "columns", "drifted_columns", "said", "computed_at", "age_s",
        "looked_at", "predicted_at", "labelled_at", "labels", "objectives", "report", "baseline",
        "kinds", "faults",
    }  # fmt: skip
    assert (found["drifted_columns"], found["columns"], found["share"]) == (["input.a"], 2, 0.5)
    assert found["computed_at"].endswith("Z")
    assert 90 < found["age_s"] < 200
    assert found["baseline"]["kind"] == "auto"
    assert [one["kind"] for one in found["kinds"]] == ["data", "prediction"]
    shown = json.loads(typed("show", "p.m", "--history", "5", "--kind", "data", "--json").stdout)
    assert set(shown) == {*found, "verdicts", "history", "evidently"}
    (whole,) = shown["verdicts"]
    assert whole["columns"][1]["effect"] == 0.52
    assert whole["computed_at"].endswith("Z")
    assert [one["id"] for one in shown["history"]] == [whole["id"]]
    assert whole["begun"].endswith("Z")


def test_a_canary_that_is_worse_is_what_is_told(journal: Journal, verdicts: VerdictStore):
    live(journal, "p", "m", 3)
    canary = Rollout(Target(4), "canary", 0.1, action_id=9)
    store.put_rollout(journal, "p", "m", canary)
    verdicts.record([verdict(4)])
    verdicts.record([verdict(3, "steady")])
    (found,) = json.loads(typed("list", "--json").stdout)
    assert (found["versions"], found["version"], found["state"]) == ([3, 4], 4, "drifted")
    assert "p.m, version 3 and 4 (canary): drifted" in typed("show", "p.m").output


def test_one_is_shown_with_its_columns_then_and_now(
    home: Home, journal: Journal, verdicts: VerdictStore
):
    live(journal, "p", "m", 3)
    verdicts.record([verdict(at=time.time() - 7200), verdict(3, "steady", "prediction")])
    chosen = baselines.Chosen(Baseline("season", weeks=1), "mira", time.time())
    baselines.put(journal, "p", "m", chosen)
    looked = Looked("p", "m", 3, time.time(), time.time() - 7200, fault="No report.", hint="Wait.")
    record.write(home, Record(1.0, 5.0, "controller", looked={looked.key: looked}))
    done = typed("show", "p/m", "--history", "3")
    assert done.exit_code == 0, done.output
    assert "Compared with the same hours of the week before (mira chose it " in done.output
    assert "Version 3: nothing came between " in done.output
    assert "Version 3 lacks: No report. Wait." in done.output
    lines = done.output.splitlines()
    first = next(line for line in lines if line.startswith("input.a"))
    assert first.split("\t")[1:8] == [
        "drifted", "0.52", "0.1", "1e-05", "2,000", "600", "62%",
    ]  # fmt: skip
    assert lines.index(first) < next(n for n, one in enumerate(lines) if one.startswith("input.b"))
    assert ": drifted since " in done.output
    assert sum(one.endswith("is steady.") for one in lines) == 2  # now, and in the history


def test_what_is_not_in_service_is_a_sentence(journal: Journal):
    done = typed("show", "p.none")
    assert (done.exit_code, "p.none is not deployed" in done.output) == (1, True)
    store.put_rollout(journal, "p", "m", Rollout(Target(1), action_id=1))
    assert "takes no requests yet" in typed("show", "p.m").output
    assert typed("check", "p.none").exit_code == 1
    live(journal, "p", "n", 1)
    assert "It was not checked yet" in typed("show", "p.n").output


def test_names_and_times_as_people_write_them():
    assert drift_reading.named("p.m") == drift_reading.named("p/m") == ("p", "m")
    assert drift_reading.named("p/a.b") == drift_reading.named("p.a.b") == ("p", "a.b")
    assert drift_reading.named("p.a/b") == ("p", "a/b")
    for text in ("", "p", ".m", "p.", "/m"):
        with pytest.raises(InputError):
            drift_reading.named(text)
    assert drift.at("2026-05-01T08:30") == drift.at("2026-05-01T10:30+02:00") == 1777624200.0
    with pytest.raises(InputError):
        drift.at("yesterday")
    assert [drift.age(s) for s in (-5, 90, 7200, 260_000)] == ["0 min", "2 min", "2 h", "3 d"]


def test_a_baseline_is_chosen_and_told(journal: Journal):
    live(journal, "p", "m", 3)
    words = ("window", "--since", "2026-05-01", "--until", "2026-05-02", "--yes")
    done = typed("baseline", "p.m", *words)
    assert done.exit_code == 0, done.output
    kept = baselines.baseline_of(journal, "p", "m")
    assert (kept.kind, kept.until and kept.since and kept.until - kept.since) == ("window", 86_400)
    said = "the predictions from 2026-05-01 00:00 UTC to 2026-05-02 00:00 UTC"
    assert said in typed("show", "p.m").output
    refused = typed("baseline", "p.m", "season", "--weeks", "13", "--yes")
    assert refused.exit_code == 2
    assert "1 to 12" in refused.output
    asked_first = CliRunner().invoke(mlops, ["drift", "baseline", "p.m", "auto"], input="n\n")
    assert "until now it was with the predictions from" in asked_first.output
    assert baselines.baseline_of(journal, "p", "m") == kept


def test_all_that_is_in_service_is_checked_at_once(home: Home, journal: Journal):
    live(journal, "p", "m", 3)
    live(journal, "q", "n", 1)
    done = typed("check", "--all")
    assert done.exit_code == 0, done.output
    assert "Check m for drift: asked for as action" in done.output
    assert "Check n for drift: asked for as action" in done.output
    for wrong in ((), ("p.m", "--all"), ("p.m", "--project", "p")):
        refused = typed("check", *wrong)
        assert refused.exit_code == 2
        assert "Write PROJECT.MODEL, or --all" in refused.output


def test_one_that_is_refused_keeps_no_other_from_its_check(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    for project, model in (("p", "gone"), ("p", "m"), ("q", "n")):
        live(journal, project, model, 1)
    asked = CheckDrift.check

    def refused(self: CheckDrift, context: Context, actor: Actor) -> None:
        if self.model == "gone":
            raise ConflictError("It was taken out a moment ago.", "Nothing is left to do.")
        asked(self, context, actor)

    monkeypatch.setattr(CheckDrift, "check", refused)
    done = typed("check", "--all")
    assert done.exit_code == 1
    for model in ("m", "n"):
        assert f"Check {model} for drift: asked for as action" in done.stdout
    assert done.stderr.splitlines()[0] == (
        "p.gone: It was taken out a moment ago. Nothing is left to do."
    )
    assert "Error: 1 of 3 could not be checked." in done.stderr
    alone = typed("check", "p.gone")
    assert (alone.exit_code, "could not be checked" in alone.stderr) == (1, False)


@pytest.mark.slow
def test_a_check_is_made_while_one_waits(home: Home, journal: Journal):
    live(journal, "p", "m", 3)
    routes.write(home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {})}))
    asked(home, time.time() - 3 * HOUR_S, 2100)
    asked(home, time.time() - HOUR_S, 2000, shift=1.0, seed=1, span_s=HOUR_S - 60)
    baselines.put(journal, "p", "m", baselines.Chosen(Baseline("first"), "mira", 1.0))
    done = typed("check", "p.m", "--wait")
    assert done.exit_code == 0, done.output
    assert "Compare: it begins" in done.output
    assert "Check m for drift: Version 3: 1 of 4 inputs moved from the first 2,000" in done.output
    (found,) = json.loads(typed("list", "--json").stdout)
    assert (found["state"], found["drifted_columns"]) == ("drifted", ["input.a"])
    later = typed("check", "p.m")
    assert "asked for as action" in later.output
