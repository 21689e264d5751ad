"""What a thousand predictions of a version took, in joules; or why nobody can say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Energy:
    """Of one version."""

    joules: float | None
    """By a thousand predictions; None: not known."""
    why: str
    """What it rests on, or why it is not known."""


def of(names: Sequence[str], since: datetime | None) -> Mapping[tuple[str, int], Energy]:
    """Return it by endpoint and version."""
    del names, since
    return {}
