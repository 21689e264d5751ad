"""What is different between two tries of one task: code, data, packages, parameters, machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.workflows.failure_parts import amount, number
from services.workflows.words import span

_SHORT = 12
_MOST = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was."""

    what: str
    """``code``, ``data``, ``models``, ``package NAME``, ``parameter NAME``, ``memory limit``,
    ``timeout``, ``machine``."""
    before: str
    """Empty: it was not there."""
    now: str
    """Empty: it is not there any more."""


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what is different, the likelier causes first; what either does not tell is left out.

    Args:
        before: Evidence of the last success.
        now: Evidence of the try that failed.
    """
    found = [*_code(before, now), *_tables(before, now), *_limits(before, now)]
    found += _packages(before, now)
    old, new = _at(before, "host", "name"), _at(now, "host", "name")
    if old and new and old != new:
        found.append(Difference("machine", str(old), str(new)))
    return tuple(found[:_MOST])


def _code(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = (_revision(_at(one, "git")) for one in (before, now))
    if old and new and old != new:
        yield Difference("code", old, new)


def _revision(git: object) -> str:
    """Return a commit in short, with a mark of its uncommitted changes."""
    if not isinstance(git, dict) or not git.get("commit"):
        return ""
    changed = git.get("diff") or ("uncommitted changes" if git.get("dirty") else "")
    return str(git["commit"])[:_SHORT] + (f" + {str(changed)[:_SHORT]}" if changed else "")


def _tables(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for key, word in (("revisions", ""), ("parameters", "parameter ")):
        old, new = (_table(one.get(key)) for one in (before, now))
        for name in sorted(old.keys() & new.keys(), key=str):
            if old[name] != new[name]:
                yield Difference(f"{word}{name}", _shown(old[name]), _shown(new[name]))
        # A parameter that the contract has no more, or has now; without any, none was told.
        for name in sorted(old.keys() ^ new.keys(), key=str) if old and new else ():
            yield Difference(
                f"{word}{name}",
                _shown(old[name]) if name in old else "",
                _shown(new[name]) if name in new else "",
            )


def _limits(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = (number(_at(one, "memory", "limit_bytes")) for one in (before, now))
    if old is not None and new is not None and old != new:
        yield Difference("memory limit", amount(old), amount(new))
    old, new = (number(one.get("timeout_s")) for one in (before, now))
    if old is not None and new is not None and old != new:
        yield Difference("timeout", span(old), span(new))


def _packages(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = (_table(_at(one, "packages", "versions")) for one in (before, now))
    if not old or not new:
        return
    for name in sorted({*old, *new}, key=str):
        if old.get(name) != new.get(name):
            yield Difference(f"package {name}", str(old.get(name) or ""), str(new.get(name) or ""))


def _at(document: Mapping[str, Any], *keys: str) -> object:
    found: object = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _table(found: object) -> dict[Any, Any]:
    return dict(found) if isinstance(found, Mapping) else {}


def _shown(value: object) -> str:
    return "not given" if value is None else str(value)[:60]
