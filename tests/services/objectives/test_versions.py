"""A promised accuracy is of the version that answers now; others' labels are no part of it."""

import pytest

from services.actions.journal import Journal
from services.alerting.rules import objectives as rule
from services.home import Home
from services.objectives import standing, store
from services.objectives.models import Objective, Standing
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from tests.services.predictions.records import NOON, record

BOUND = Objective("accuracy", 0.9, 30)
KEY = frozenset({"accuracy/lora.net"})
DAY_S = 86_400.0


def live(journal: Journal, version: int) -> None:
    deployments.put_rollout(journal, "lora", "net", Rollout(Target(version), action_id=version))
    deployments.finish_rollout(journal, "lora.net", version, live=True, said="")


def labels(home: Home, version: int, rows: int, *, right: bool, ago_s: float) -> None:
    log = PredictionLog.open(home, f"v{version}", reserve_bytes=1 << 16)
    for n in range(rows):
        one = record(
            NOON - ago_s + n / 10, project="lora", model="net", version=version, rows=1,
            inputs={"x": [1]}, outputs={"label": ["yes" if n % 2 else "no"]},
        )  # fmt: skip
        log.append(one)
        said = ("yes", "no") if n % 2 else ("no", "yes")
        log.append_feedback(Feedback(one.id, one.at + 60, said[0] if right else said[1]))
    log.close()


def stands(home: Home, journal: Journal) -> Standing:
    return standing(home, journal, now=NOON)[-1]


def event(one: Standing) -> str:
    return rule.events([one], ["lora.net"], NOON, KEY)[0].state


@pytest.fixture
def bad(home: Home, journal: Journal) -> Home:
    store.put(journal, "lora", "net", BOUND)
    live(journal, 1)
    labels(home, 1, 1000, right=False, ago_s=3 * DAY_S)
    assert (stands(home, journal).state, event(stands(home, journal))) == ("missed", "firing")
    return home


def test_labels_of_a_version_that_is_gone_are_not_held_against_the_next(
    bad: Home, journal: Journal
):
    live(journal, 2)
    labels(bad, 2, 100, right=True, ago_s=3600.0)
    one = stands(bad, journal)
    assert (one.state, one.version, one.requests, one.achieved) == ("met", 2, 100, 1.0)
    assert one.said.startswith("Version 2 answers now. It is within its bound of 0.9.")
    assert event(one) == "ok"


def test_a_version_with_few_labels_is_not_known_to_be_as_bad(bad: Home, journal: Journal):
    live(journal, 2)
    labels(bad, 2, 29, right=True, ago_s=3600.0)
    one = stands(bad, journal)
    assert (one.state, one.requests, event(one)) == ("unknown", 29, "unknown")
    assert one.said.startswith("Version 2 answers now. Only 29 rows have a label: 30 are wanted.")


def test_labels_of_a_canary_do_not_count(home: Home, journal: Journal):
    store.put(journal, "lora", "net", BOUND)
    live(journal, 1)
    labels(home, 1, 100, right=True, ago_s=3600.0)
    labels(home, 2, 1000, right=False, ago_s=3600.0)
    assert (stands(home, journal).state, stands(home, journal).requests) == ("met", 100)


def test_out_of_service_all_versions_count(home: Home, journal: Journal):
    store.put(journal, "lora", "net", BOUND)
    labels(home, 1, 40, right=True, ago_s=3600.0)
    labels(home, 2, 60, right=True, ago_s=1800.0)
    one = standing(home, journal, "lora", "net", now=NOON)[-1]
    assert (one.state, one.version, one.requests) == ("met", None, 100)
