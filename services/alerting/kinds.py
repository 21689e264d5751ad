"""The kinds of alerts there are: the first word of each key."""

KINDS: tuple[str, ...] = (
    "engine", "disk", "run", "workflow", "endpoint", "errors", "availability", "latency",
    "accuracy", "load", "predictions", "labels", "drift", "lineage", "monitoring", "retraining",
    "report", "channel",
)  # fmt: skip
"""As people know them, in the order of docs/alerts.md; a silence is offered for each."""
