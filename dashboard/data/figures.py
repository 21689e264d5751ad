"""Versions as rows of figures: sizes, differences, counts of users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.numbers import UNKNOWN, age, counted, size
from services.data.models import FileChange, Queued, Use, Version

UNREADABLE = "not known"


@dataclass(frozen=True, slots=True)
class Line:
    """One version as the table shows it."""

    version: Version
    grown_bytes: int | None
    """Against the version made before it; None for the first."""
    runs: int | None
    """None: nobody can say at the moment."""
    registered: int | None


def lines(versions: Sequence[Version], uses: Mapping[str, Use] | None) -> tuple[Line, ...]:
    """Return versions, newest first, with what each grew and how many use it."""
    found = []
    for number, version in enumerate(versions):
        before = versions[number + 1] if number + 1 < len(versions) else None
        use = None if uses is None else uses.get(version.revision, Use(version.revision))
        found.append(
            Line(
                version,
                None if before is None else version.bytes - before.bytes,
                None if use is None else len(use.runs),
                None if use is None else len(use.versions),
            )
        )
    return tuple(found)


def grown(difference: int | None) -> str:
    """Return a difference of sizes with its sign."""
    if difference is None:
        return "first"
    if difference == 0:
        return "±0 B"
    return f"{'+' if difference > 0 else '−'}{size(abs(difference))}"


def used(line: Line) -> str:
    """Return how many use a version, in words."""
    if line.runs is None or line.registered is None:
        return UNREADABLE
    parts = [counted(line.runs, "run")] if line.runs else []
    parts += [counted(line.registered, "model version")] if line.registered else []
    return ", ".join(parts) or "nobody"


def waits(queued: Sequence[Queued]) -> str:
    """Return what waits for the remote since when and why, as a sentence; empty for nothing."""
    if not queued:
        return ""
    first = queued[0]
    what = counted(len(queued), "version")
    has = "has" if len(queued) == 1 else "have"
    lasting = age(first.since).removesuffix(" ago").replace("just now", "a moment")
    why = next((one.reason for one in queued if one.reason), "It was not tried yet.")
    return f"{what} {has} waited for {lasting}. {why}"


def file_size(value: int | None, *, there: bool) -> str:
    """Return the size of a file in a version; where it is not in it, nothing."""
    if not there:
        return "–"
    return size(value) if value is not None else UNKNOWN


def weight(change: FileChange) -> int:
    """Return how many bytes a change is about, for an order by size."""
    if change.change == "changed":
        return max(change.before or 0, change.after or 0)
    return (change.after if change.change == "added" else change.before) or 0


def matching(
    files: Sequence[FileChange], text: str, words: Sequence[str], *, by_size: bool
) -> list[FileChange]:
    """Return the changes whose path has the text, of the wanted kinds (none: all), in order."""
    folded = text.casefold().strip()
    found = [
        one
        for one in files
        if (not words or one.change in words) and (not folded or folded in one.path.casefold())
    ]
    return sorted(found, key=lambda one: (-weight(one), one.path)) if by_size else found
