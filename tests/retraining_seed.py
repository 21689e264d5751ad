"""Retrainings in every state: of one model four that ended and one that waits, three on the way."""

import time
from typing import Any

from services.actions.journal import Journal
from services.retraining import store
from services.retraining.models import Evidence, Happened, Proposal
from tests.deployments_seed import CLIP, LORA, PIXELS, TEXT
from tests.seed import HOSTILE
from tests.services.retraining.things import evidence, proposal

_HOUR_S = 3600.0
_WHY = "3 of 20 columns drifted: mean radius moved by 0.6, mean texture by 0.5."


def fill(journal: Journal, now: float | None = None) -> None:
    """Write all of it; the one that waits is the last, and needs a person."""
    now = time.time() if now is None else now

    def put(name: str, hours: float, state: str, **said: Any) -> Proposal:
        at = now - hours * _HOUR_S
        project, _, model = name.partition(".")
        reason = (evidence(int(hours), at=at),)
        given = {"why": _WHY, "evidence": reason, "alert_id": int(hours), "version": 1, **said}
        draft = proposal(0, project=project, model=model, state=state, created_at=at, **given)
        return store.put(journal, draft)

    def ended(name: str, hours: float, state: str, **said: Any) -> Proposal:
        at = now - (hours - 1.5) * _HOUR_S
        return put(name, hours, state, approved_by="ana", decided_at=at - 1, ended_at=at, **said)

    ended(LORA, 200, "dismissed", said="A broken sensor, mended since.")
    ended(LORA, 150, "failed", said="The workflow failed: out of memory in the task train.",
          took_minutes=3.2)  # fmt: skip
    ended(LORA, 100, "dropped", candidate=2, took_minutes=11.4, took_joules=512.0, change=-0.008,
          said="1,200 labels say that version 2 is worse: 0.91 beside 0.94.")  # fmt: skip
    good = ended(LORA, 50, "promoted", candidate=3, took_minutes=9.8, took_joules=471.0,
                 change=0.0125, said="Version 3 is live and champion.")  # fmt: skip
    lines = (
        Happened(now - 49 * _HOUR_S, "accepted", "Accepted by ana.", "ana"),
        Happened(now - 48.5 * _HOUR_S, "promoted", "Version 3 is the champion.", "platform"),
    )
    store.change(journal, good.id, lambda one: (one, lines))
    put(CLIP, 3, "judging", candidate=2, approved_by="policy:retraining", decided_at=now - 9_000,
        said="It answers 10 % of the requests: 140 of 200.", took_minutes=12.0)  # fmt: skip
    put(PIXELS, 2, "running", approved_by="ana", decided_at=now - 7_000,
        workflow=("cpu-compression.retrain", "r1"), said="The task train runs.")  # fmt: skip
    put(TEXT, 1, "accepted", approved_by="ana", decided_at=now - 60, minutes=None, joules=None,
        said="It is launched as soon as Airflow answers.")  # fmt: skip
    put(LORA, 0.5, "open", why=HOSTILE, alert_id=None,
        evidence=(Evidence(now - 1_800, HOSTILE, by="mira"),), requested_by="mira",
        refused="It would take 500 J; 312 of 2,000 are left in these seven days.")  # fmt: skip
