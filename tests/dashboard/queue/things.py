"""Jobs, decisions and colours for tests of the page of the queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.charts.theme import Colours
from services.mirror.workflow_models import Decided, PolicyDecision, QueueRow, Wait

NOW = datetime(2026, 3, 1, 15, 10, tzinfo=UTC)
HUES = Colours(
    series=tuple(f"#s{n}" for n in range(8)),
    sequential=("#q0",),
    diverging=tuple(f"#d{n}" for n in range(10)),
    text="#text", muted="#muted", line="#line", background="#back", surface="#surface",
    good="#good", bad="#bad", warn="#warn", accent="#accent",
)  # fmt: skip


def at(minutes: float) -> datetime:
    """Return a time so many minutes after NOW."""
    return NOW + timedelta(minutes=minutes)


def row(name: str = "lora.train/one/train", project: str = "lora", **more: Any) -> QueueRow:
    said: dict[str, Any] = {
        "what": "LoRA: train", "state": "waiting", "kind": "order", "said": "Its turn.",
        "position": 1, "expected_at": at(20), "expected_late_at": at(50), "expected_said": "",
        "priority": 5, "weight": 1001, "unblock": "", "host": None, "since": at(-30),
        "ends_at": None,
    }  # fmt: skip
    return QueueRow(id=name, project=project, **{**said, **more})


def decided(*rows: QueueRow, **more: Any) -> Decided:
    said: dict[str, Any] = {"hosts": (), "shares": (), "pools": ()}
    return Decided(NOW, rows, **{**said, **more})


def wait(kind: str, begin: float, end: float | None, job: str = "a", project: str = "lora") -> Wait:
    return Wait(job, project, kind, f"{kind}.", at(begin), None if end is None else at(end))


def decision(stance: str = "hold", *figures: dict[str, Any], **more: Any) -> PolicyDecision:
    said: dict[str, Any] = {
        "host": "studio", "at": at(-10), "before": "open", "rule": "heat", "said": "It is hot.",
    }  # fmt: skip
    return PolicyDecision(**{**said, **more}, stance=stance, figures=figures)
