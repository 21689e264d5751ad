"""How a command ended, in one word and one sentence, from what was measured."""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "succeeded", "failed", "data", "packages", "memory", "signal", "timeout", "cancelled", "lost",
    "not started",
]  # fmt: skip
Stopped = Literal["timeout", "cancelled", "lost", "memory"]
"""Why we ended it ourselves; lost: the Airflow worker that wanted it died."""

_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Iteration))"
    r"(?::\s(.*))?$"
)
_PATH = re.compile(r"['\"]([^'\"]+)['\"]")
_MISSING_PACKAGE = frozenset({"ModuleNotFoundError", "ImportError", "PackageNotFoundError"})
_MISSING_FILE = frozenset({"FileNotFoundError", "NotADirectoryError"})
_NEARLY = 0.97
"""Of the machine's memory or the limit: from here on a kill is put down to it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a command has ended."""

    status: int
    """The exit code, or minus the signal."""
    stopped: Stopped | None
    after_grace: bool
    """It ignored SIGTERM."""
    last_lines: Sequence[str]
    data: Sequence[str]
    timeout_s: float | None
    grace_s: float
    peak_bytes: int | None = None
    limit_bytes: int | None = None
    oom_kills: int | None = None
    """Processes the system ended for want of memory meanwhile."""
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, what happened, and what to do."""

    outcome: Outcome
    sentence: str
    hint: str = ""


def exception_in(lines: Sequence[str]) -> tuple[str, str] | None:
    """Return the last exception (its name, its text) that Python printed, None when it did not."""
    for line in reversed(lines):
        found = _EXCEPTION.match(line.strip())
        if found:
            return found.group(1), (found.group(2) or "").strip()
    return None


def signal_name(status: int) -> str | None:
    """Return the name of the signal that ended a process, None when none did."""
    if status >= 0:
        return None
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def verdict(facts: Facts) -> Verdict:
    """Return how it ended."""
    if facts.stopped is not None:
        return _stopped(facts, facts.stopped)
    if facts.status == 0:
        return Verdict("succeeded", "It ended well.")
    if facts.status < 0:
        return _signalled(facts)
    return _failed(facts)


def _stopped(facts: Facts, why: Stopped) -> Verdict:
    ignored = (
        f" It ignored SIGTERM for {facts.grace_s:g} s and was killed." if facts.after_grace else ""
    )
    if why == "timeout":
        return Verdict(
            "timeout",
            f"It ran longer than its timeout of {_span(facts.timeout_s or 0)} and was "
            f"ended.{ignored}",
            'Raise `timeout` in [tool.mlops], e.g. timeout = "6h", or give it less to do.',
        )
    if why == "cancelled":
        return Verdict("cancelled", f"It was cancelled and ended.{ignored}")
    if why == "memory":
        return _beyond_limit(facts, ignored)
    return Verdict(
        "lost",
        f"The Airflow worker that watched it died, so it was ended.{ignored}",
        "Airflow starts it again when it has a retry left; see the worker's log for why it died.",
    )


def _beyond_limit(facts: Facts, ignored: str) -> Verdict:
    peak, limit = (facts.peak_bytes or 0) / 1e9, (facts.limit_bytes or 0) / 1e9
    return Verdict(
        "memory",
        f"It held {peak:.2f} GB of memory, more than the {limit:.2f} GB its contract allows "
        f"(memory_limit_gb), and was ended.{ignored}",
        "Give it a smaller batch or model, or raise memory_limit_gb in [tool.mlops] to what it "
        "needs.",
    )


def _signalled(facts: Facts) -> Verdict:
    name = signal_name(facts.status) or ""
    peak = _peak(facts)
    if name == "SIGKILL" and _starved(facts):
        return Verdict(
            "memory",
            f"The system killed it for want of memory.{peak}",
            "Give it a smaller batch or model, or let it run while less else does.",
        )
    if name == "SIGKILL":
        return Verdict(
            "signal",
            f"Something else killed it (SIGKILL); neither Airflow nor the platform did.{peak}",
            "Somebody's kill -9, or the system: look into its log at that time.",
        )
    return Verdict(
        "signal",
        f"It was ended by {name}.{peak}",
        "A crash in native code; run it by hand with `python -X faulthandler`."
        if name in {"SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"}
        else "Look for who sent it.",
    )


def _starved(facts: Facts) -> bool:
    if facts.oom_kills:
        return True
    bounds = [bound for bound in (facts.limit_bytes, facts.total_bytes) if bound]
    return facts.peak_bytes is not None and any(facts.peak_bytes >= _NEARLY * b for b in bounds)


def _failed(facts: Facts) -> Verdict:
    found = exception_in(facts.last_lines)
    code = f"It ended with exit code {facts.status}"
    if found is None:
        return Verdict("failed", f"{code}.", "Its last lines say more.")
    name, text = found
    said = f"{code}: {name}{f': {text[:300]}' if text else '.'}"
    if name == "MemoryError" or "out of memory" in text.lower():
        return Verdict(
            "memory",
            f"It got no more memory: {name}{f' ({text[:200]})' if text else ''}.{_peak(facts)}",
            "Give it a smaller batch or model, or raise memory_limit_gb in [tool.mlops].",
        )
    if name in _MISSING_PACKAGE:
        return Verdict(
            "packages",
            said,
            "Its environment lacks a package or has another version: correct requirements.txt or "
            "pyproject.toml; the environment is made anew by itself.",
        )
    if name in _MISSING_FILE and _is_data(text, facts.data):
        return Verdict(
            "data",
            said,
            "A file of its data is not there: check out a version (`mlops data checkout`), or make "
            "the data first.",
        )
    return Verdict("failed", said)


def _is_data(text: str, data: Sequence[str]) -> bool:
    named = _PATH.search(text)
    if named is None:
        return False
    path = f"/{named.group(1).removeprefix('./')}/"
    return any(f"/{folder.strip('/').removeprefix('./')}/" in path for folder in data)


def _peak(facts: Facts) -> str:
    if facts.peak_bytes is None:
        return ""
    limit = f" of the {facts.limit_bytes / 1e9:.2f} GB it declares" if facts.limit_bytes else ""
    return f" It held {facts.peak_bytes / 1e9:.2f} GB at most{limit}."


def _span(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
