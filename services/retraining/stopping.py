"""What a retraining does next that a person stopped; pure."""

from dataclasses import replace

from services.retraining.judging import judge
from services.retraining.known import Known
from services.retraining.models import Proposal
from services.retraining.moves import PATIENCE_S, Step, end, waits


def train(now: Proposal, known: Known) -> Step:
    """Have its workflow be cancelled, and end it when that ended."""
    run = known.run
    if run is not None and run.state != "active":
        return end(replace(now, took_minutes=run.minutes), "failed", now.stopped, known.now)
    if now.cancel is None:
        return Step(now, ask="cancel")
    return waits(now, "Its workflow is being ended.", known.now, PATIENCE_S, "failed")


def draw_back(now: Proposal, known: Known) -> Step:
    """Have the new version leave what it stands beside; one that became live is live."""
    if now.deploy is None and known.live != now.candidate:
        return end(now, "dropped", now.stopped, known.now)
    if not now.verdict:
        now = replace(now, verdict="drop", judged=now.stopped)
    return judge(now, known)
