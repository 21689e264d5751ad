"""How deployments stand, from a real log and journal; labels, and what cannot be read."""

import threading
from dataclasses import replace

import pytest

from services.actions.journal import Journal
from services.errors import MlopsError, PlatformError
from services.home import Home
from services.monitoring.accuracy import Accuracy, Quality
from services.objectives import asking, standing, store
from services.objectives.accuracies import Accuracies
from services.objectives.counting import Counter
from services.objectives.models import ANSWERED, Objective, Standing
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from tests.services.predictions.records import DAY_S, NOON, compacted, record, written

CLIP, NET = ("clip-finetuning", "clip"), ("lora", "net")


def live(journal: Journal, *names: tuple[str, str]) -> None:
    for project, model in names:
        deployments.put_rollout(journal, project, model, Rollout(Target(1), action_id=1))
        deployments.finish_rollout(journal, f"{project}.{model}", 1, live=True, said="")


def asked(home: Home, count: int, bad: int, ago_s: float = 600.0, **changes: object) -> None:
    written(
        home,
        *(
            record(
                NOON - ago_s, inputs=None, outputs=None, status=500 if n < bad else 200, **changes
            )
            for n in range(count)
        ),
    )


def by_kind(found: tuple[Standing, ...]) -> dict[tuple[str, str], Standing]:
    return {(one.name, one.objective.kind): one for one in found}


def test_every_deployment_in_service_stands_with_what_counts_for_it(home: Home, journal: Journal):
    live(journal, CLIP, NET)
    deployments.put_rollout(journal, "lora", "first", Rollout(Target(1), action_id=1))
    asked(home, 1000, 8, ago_s=300.0)
    compacted(home)
    store.put(journal, "clip-finetuning", "", Objective("latency", 0.9, 7, 2.0))
    found = by_kind(standing(home, journal, now=NOON))
    assert list(found) == [
        ("clip-finetuning.clip", "errors"), ("clip-finetuning.clip", "latency"),
        ("lora.net", "errors"),
    ]  # fmt: skip
    one = found["clip-finetuning.clip", "errors"]
    assert one.objective == ANSWERED
    assert (one.requests, one.bad, one.achieved, one.state) == (1000, 8, 0.992, "at risk")
    assert one.budget_left == pytest.approx(0.2)
    assert one.said == (
        "99.2 % of 1,000 requests in the last 30 days were answered; 99 % are promised, 80 % of "
        "the budget is spent."
    )
    slow = found["clip-finetuning.clip", "latency"]
    assert (slow.requests, slow.bad, slow.state, slow.budget_left) == (992, 992, "missed", 0.0)
    assert slow.spent == pytest.approx(10.0)
    assert slow.said.endswith("it burns 10 times too fast over 1 h.")
    nobody = found["lora.net", "errors"]
    assert (nobody.state, nobody.achieved, nobody.budget_left) == ("unknown", None, None)
    assert nobody.said == "Nobody asked it in the last 30 days."


def test_one_asks_of_a_project_of_one_model_and_of_what_one_may_see(home: Home, journal: Journal):
    live(journal, CLIP, NET)
    names = [one.name for one in standing(home, journal, "lora", now=NOON)]
    assert names == ["lora.net"]
    gone = standing(home, journal, "lora", "gone", now=NOON)
    assert [one.name for one in gone] == ["lora.gone"]
    seen = standing(home, journal, projects=("clip-finetuning",), now=NOON)
    assert [one.name for one in seen] == ["clip-finetuning.clip"]


def test_a_model_goes_before_its_project_and_that_before_the_default(journal: Journal):
    mine, whole = Objective("errors", 0.9, 7), Objective("errors", 0.95, 14)
    store.put(journal, "lora", "", whole)
    store.put(journal, "lora", "net", mine)
    store.put(journal, "lora", "net", replace(mine, target=0.91, set_by="ana", set_at=5.0))
    known = store.said(journal)
    assert store.of(known, "lora", "net") == (
        replace(mine, target=0.91, source="model", set_by="ana", set_at=5.0),
    )
    assert store.of(known, "lora", "other")[0].source == "project"
    assert store.of(known, "clip", "x") == (ANSWERED,)
    assert store.remove(journal, "lora", "net", "errors")
    assert not store.remove(journal, "lora", "net", "errors")
    assert store.one(journal, "lora", "net", "errors") is None
    assert store.of(store.said(journal, ["lora"]), "lora", "net")[0].target == 0.95


def test_only_the_window_counts(home: Home, journal: Journal):
    live(journal, CLIP)
    asked(home, 500, 100, ago_s=3 * DAY_S)
    asked(home, 500, 0)
    (whole,) = standing(home, journal, now=NOON)
    assert (whole.state, whole.bad) == ("missed", 100)
    store.put(journal, *CLIP, Objective("errors", 0.99, 1))
    (day,) = standing(home, journal, now=NOON)
    assert (day.state, day.requests, day.since) == ("met", 500, NOON - 600)


def test_few_requests_are_unknown_and_not_met(home: Home, journal: Journal):
    live(journal, CLIP)
    asked(home, 99, 0)
    (few,) = standing(home, journal, now=NOON)
    assert (few.state, few.achieved, few.budget_left) == ("unknown", 1.0, None)
    assert few.said.endswith("too few to say, 100 are wanted for 99 %.")
    asked(home, 1, 0)
    (enough,) = standing(home, journal, now=NOON)
    assert (enough.state, enough.budget_left) == ("met", 1.0)


def test_a_log_that_cannot_be_read_hides_no_other_deployment(home: Home, journal: Journal):
    live(journal, CLIP, NET)
    asked(home, 200, 0)
    asked(home, 200, 0, project="lora", model="net")
    compacted(home)
    for path in [path for one in Folder(home).rows(*NET) for path in one.files()]:
        path.write_bytes(b"no more")
    found = by_kind(standing(home, journal, now=NOON))
    assert found["clip-finetuning.clip", "errors"].state == "met"
    lost = found["lora.net", "errors"]
    assert lost.state == "unknown"
    assert "cannot be read" in lost.said


# Labels


def quality(value: float, low: float, high: float, rows: int = 500, **more: object) -> Accuracy:
    metric = more.get("metric", "accuracy")
    one = Quality(metric, value, low, high, rows, 0.3)  # type: ignore[arg-type]
    return Accuracy("classification", one, (), rows, rows, 0, 0, 60.0, "As measured.")


FLOOR, CEILING = Objective("accuracy", 0.9, 7), Objective("accuracy", 3.0, 7, metric="mae")


@pytest.mark.parametrize(
    ("objective", "found", "state"),
    [
        (FLOOR, quality(0.84, 0.805, 0.87), "missed"),
        (FLOOR, quality(0.865, 0.832, 0.892), "at risk"),
        (FLOOR, quality(0.89, 0.86, 0.91), "at risk"),
        (FLOOR, quality(0.91, 0.88, 0.93), "met"),
        (FLOOR, quality(0.5, 0.1, 0.8, rows=29), "unknown"),
        (FLOOR, quality(2.0, 1.9, 2.1, metric="mae"), "unknown"),
        (CEILING, quality(3.5, 3.2, 3.8, metric="mae"), "missed"),
        (CEILING, quality(3.02, 2.99, 3.05, metric="mae"), "at risk"),
        (CEILING, quality(2.0, 1.9, 2.1, metric="mae"), "met"),
        (FLOOR, None, "unknown"),
    ],
)
def test_accuracy_is_missed_when_a_drift_check_would_say_so(objective, found, state):
    one = asking.judged("lora", "net", objective, found)
    assert (one.state, one.budget_left, one.burns) == (state, None, ())


def test_labels_of_the_log_are_held_against_the_bound(home: Home, journal: Journal):
    live(journal, CLIP)
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for number in range(60):
        one = record(NOON - 600, version=1, rows=1, inputs={"x": [1]}, outputs={"label": ["yes"]})
        log.append(one)
        log.append_feedback(Feedback(one.id, NOON - 60, "yes" if number % 2 else "no"))
    log.close()
    store.put(journal, *CLIP, FLOOR)
    found = by_kind(standing(home, journal, now=NOON))["clip-finetuning.clip", "accuracy"]
    assert (found.state, found.achieved, found.requests) == ("missed", 0.5, 60)
    assert found.high is not None
    assert found.high < 0.9
    assert found.said.startswith(
        "Version 1 answers now. It is beyond its bound of 0.9; that is hardly chance."
    )
    store.put(journal, *CLIP, replace(FLOOR, target=0.4))
    well = by_kind(standing(home, journal, now=NOON))["clip-finetuning.clip", "accuracy"]
    assert well.state == "met"


def test_labels_are_counted_beside_the_loop_and_again_in_time(home: Home):
    gate, counted, now = threading.Event(), [], [0.0]

    def read(*_: object) -> Accuracy:
        gate.wait(10)
        counted.append(now[0])
        if len(counted) == 3:
            raise PlatformError("The log is away.")
        return quality(0.9, 0.8, 0.95, rows=len(counted))

    def settled() -> None:
        for _, future in ask._known.values():
            future.exception(10)

    ask = Accuracies(home, clock=lambda: now[0], read=read)
    assert ask("p", "m", 0.0, 60.0) is None, "nobody waits for it"
    gate.set()
    settled()
    assert (found := ask("p", "m", 5.0, 65.0)) is not None
    assert (found.predictions, counted) == (1, [0.0])
    now[0] = 300.0
    gate.clear()
    before = ask("p", "m", 300.0, 360.0)
    assert before is not None
    assert before.predictions == 1, "the last count, while the next is made"
    gate.set()
    settled()
    assert ask("p", "m", 300.0, 360.0).predictions == 2  # type: ignore[union-attr]
    now[0] = 600.0
    ask("p", "m", 600.0, 660.0)
    settled()
    with pytest.raises(MlopsError, match="The log is away"):
        ask("p", "m", 600.0, 660.0)
    ask.close()


def test_labels_that_cannot_be_read_are_unknown(home: Home, journal: Journal):
    def away(*_: object) -> Accuracy:
        raise PlatformError("The log is away.")

    store.put(journal, *CLIP, FLOOR)
    found = standing(home, journal, *CLIP, now=NOON, measured=away, counter=Counter(home))
    assert (found[1].state, found[1].said) == ("unknown", "The log is away.")
