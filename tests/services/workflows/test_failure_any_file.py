"""Whatever a file of evidence holds: there is an explanation, and no figure that is not in it."""

import json
import math
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.workflows.failure import explain
from tests.services.workflows.test_failure import FAILED, task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KINDS = st.sampled_from(
    ["failed", "memory", "packages", "data", "timeout", "lost", "signal", "running", "succeeded",
     "cancelled", "not started"]
)  # fmt: skip
NAMES = st.sampled_from([*FAILED, "at", "started_at", "pauses", "disk", "job", "stopped", "folder"])
AMOUNTS = st.fixed_dictionaries(
    {},
    optional={
        name: st.none() | st.booleans() | st.integers(-5, 10**13) | st.floats() | st.text("1ab")
        for name in (
            "peak_bytes", "limit_bytes", "host_total_bytes", "host_available_min_bytes",
            "free_bytes", "total_bytes", "oom_kills",
        )
    },
)  # fmt: skip
SHAPED = st.fixed_dictionaries(
    {"outcome": KINDS},
    optional={
        "memory": AMOUNTS, "disk_after": AMOUNTS, "seconds": JSON, "timeout_s": JSON,
        "stopped": st.just("memory"), "exit_code": st.integers(0, 255),
        "parameters": st.dictionaries(st.sampled_from(["batch", "epochs"]), JSON),
        "packages": st.fixed_dictionaries({"versions": JSON | st.dictionaries(st.text(), JSON)}),
        "exception": st.fixed_dictionaries({"name": JSON, "text": JSON}),
    },
)  # fmt: skip


def numbers(found: object) -> set[float]:
    """Return every finite number in a document."""
    if isinstance(found, dict):
        return {n for one in found.values() for n in numbers(one)}
    if isinstance(found, list):
        return {n for one in found for n in numbers(one)}
    is_one = isinstance(found, int | float) and not isinstance(found, bool)
    return {float(found)} if is_one and math.isfinite(found) else set()  # type: ignore[arg-type]


@given(SHAPED)
def test_no_figure_is_told_that_the_file_does_not_hold(said: dict[str, Any]):
    found = explain(task(), said)
    held = numbers(said)
    units = {"GB": 1e9, "MB": 1e6, "s": 1.0, "min": 60.0, "h": 3600.0, "days": 86400.0}
    for fact in found.facts:
        if fact.label in {"Exception", "Environment", "Machine", "Paused"}:
            continue  # words of the file, and counts of what is in it
        for text, unit in re.findall(r"(-?\d+(?:\.\d+)?) (GB|MB|s|min|h|days)\b", fact.said):
            size = units[unit]
            off = size * 10.0 ** -len(text.partition(".")[2])
            told = float(text) * size
            # Beyond 2**53 a figure is not what its digits say, by more than the last of them.
            assert any(abs(told - one) <= max(off, 1e-12 * abs(one)) for one in held), (fact, said)
    if not held:
        told = " ".join([*(f.said for f in found.facts if f.label != "Environment"), found.setting])
        words = json.dumps(said, ensure_ascii=False)
        assert not [digit for digit in re.findall(r"\d+", told) if digit not in words]


@given(
    st.dictionaries(NAMES, JSON, max_size=12) | SHAPED,
    st.dictionaries(NAMES, JSON, max_size=12) | SHAPED,
)
def test_whatever_the_file_holds_there_is_an_explanation(
    now: dict[str, Any], before: dict[str, Any]
):
    found = explain(task(), now, before=before)
    assert found.cause
    assert found.next_step
    assert found.marked is None or found.marked < len(found.lines)
