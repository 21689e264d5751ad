"""Proposals of the tests, and what is known of them."""

from dataclasses import replace
from typing import Any

from services.actions.gates import GateResult
from services.retraining.known import Trained
from services.retraining.models import BY_POLICY, Data, Evidence, Policy, Proposal, Range

NOW = 1_800_000_000.0
HOUR = 3600.0
PASSES = GateResult("acc", ">= 0.5", 0.9, passed=True)
FAILS = GateResult("acc", ">= 0.5", 0.2, passed=False)
DATA = Data("ab" * 8, "cd" * 8, newer=True, said="Version abab of Monday.")


def evidence(alert: int | None = 7, severity: Any = "warning", at: float = NOW) -> Evidence:
    return Evidence(at, "3 of 20 columns drifted.", alert, severity, ("pixels moved by 0.6.",))


def proposal(number: int = 1, **said: Any) -> Proposal:
    given: dict[str, Any] = {
        "project": "lora", "model": "net", "version": 2, "alert_id": 7, "thread": "feed",
        "why": "3 of 20 columns drifted.", "data": DATA, "minutes": Range(10.0, 8.0, 14.0, 5),
        "joules": Range(500.0, 400.0, 700.0, 5), "gain": None, "state": "open",
        "requested_by": BY_POLICY, "created_at": NOW, "evidence": (evidence(),),
    }  # fmt: skip
    return Proposal(id=number, **{**given, **said})


def accepted(number: int = 1, **said: Any) -> Proposal:
    given: dict[str, Any] = {"state": "accepted", "approved_by": "ana", "decided_at": NOW}
    return proposal(number, **{**given, **said})


def running(**said: Any) -> Proposal:
    return accepted(**{"state": "running", "launch": 4, "workflow": ("lora.retrain", "r"), **said})


def judging(**said: Any) -> Proposal:
    return running(**{"state": "judging", "candidate": 3, "run_id": "f" * 32, "tagged": True,
                      **said})  # fmt: skip


def ended(state: Any, at: float, number: int = 1, **said: Any) -> Proposal:
    given: dict[str, Any] = {"state": state, "decided_at": at - HOUR, "ended_at": at}
    return replace(running(), id=number, **{**given, **said})


def policy(**said: Any) -> Policy:
    return replace(Policy(), **said)


def trained(*gates: GateResult, **said: Any) -> Trained:
    given: dict[str, Any] = {"minutes": 9.0, "joules": 450.0, "metric": "acc", "before": 0.8,
                             "after": 0.9}  # fmt: skip
    return Trained(3, "f" * 32, gates or (PASSES,), **{**given, **said})
