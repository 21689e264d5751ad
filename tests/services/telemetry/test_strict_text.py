"""The exposition against a strict reader, with everything a machine can say."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engines.silicon.models import METRICS, ProcessUse, Reading
from services.telemetry import exposition
from services.telemetry.exposition import Reasons, families, prometheus_name, text
from services.telemetry.latest import Latest
from tests.services.telemetry import strict_text
from tests.services.telemetry.machines import MAC, PROVIDER, sample
from tests.services.telemetry.strict_text import FormatError

NOW = 1_800_000_000.0
UNITS = {
    "ratio": "_ratio", "MHz": "_hertz", "W": "_watts", "°C": "_celsius", "bytes": "_bytes",
    "bytes/s": "_bytes_per_second", "rpm": "_rpm",
}  # fmt: skip
"""What the name of a metric ends with, by its unit; flags, levels and counts have none."""


def said(*hosts: str, value: float | None = 0.5, words: str = "", at: float = NOW) -> str:
    latest = Latest(lambda: NOW)
    for name in hosts:
        machine = replace(MAC, host=name, chip=f"Apple {words}", os=words or "macOS")
        latest.introduce(machine, (replace(PROVIDER, name=words or "macmon"),))
        readings = tuple(
            Reading(m, value, "measured" if value is not None else "unavailable", "x", words)
            for m in METRICS
        )
        uses = tuple(
            ProcessUse(n, 1.0, "p", owner, words, 0.5, 0.25, 1, 2, 3, 4)
            for n, owner in enumerate(("run:a", "engine:mlflow", f"engine:{words}", "task:x"))
        )
        latest.heard(replace(sample(0), host=name, readings=readings, processes=uses))
    return text(tuple(families(latest.hosts(), Reasons(), lambda: at)), open_metrics=False)


def test_everything_is_said_in_the_strict_format_and_of_each_host():
    found = strict_text.parse(said("mac-a", "mac-b"))
    for metric in METRICS.values():
        name = prometheus_name(metric)[0]
        hosts = {dict(labels)["host"] for labels in found[name].samples}
        assert hosts == {"mac-a", "mac-b"}, name
        assert name.endswith(UNITS.get(metric.unit, "")), name
    assert found["mlops_host_up"].kind == "gauge"
    assert found["mlops_owner_cpu_seconds_total"].kind == "counter"
    for one in found.values():
        assert all("host" in dict(labels) for labels in one.samples), one.name


def test_what_is_missing_is_absent_and_never_a_number_that_is_none():
    out = said("mac-a", value=None, words="the GPU was not listed")
    found = strict_text.parse(out)
    assert not {prometheus_name(metric)[0] for metric in METRICS.values()} & found.keys()
    assert len(found["mlops_reading_unavailable"].samples) == len(METRICS)
    assert "NaN" not in out
    assert "Inf" not in out


@settings(max_examples=40, deadline=None)
@given(words=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_words_break_a_line(words: str):
    found = strict_text.parse(said("mac-a", value=None, words=words))
    (labels,) = found["mlops_host_info"].samples
    assert dict(labels)["chip"] == f"Apple {words}"
    reasons = {dict(labels)["reason"] for labels in found["mlops_reading_unavailable"].samples}
    assert reasons == {words}


@given(value=st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e18))
def test_every_figure_comes_through_whole(value: float):
    found = strict_text.parse(said("mac-a", value=min(value, 1.0)))
    (read,) = found["mlops_cpu_ratio"].samples.values()
    assert read == min(value, 1.0)
    number = exposition._number(value)
    assert math.isclose(float(number), value, rel_tol=0, abs_tol=0)


def test_a_silent_machine_is_down_in_the_strict_format_too():
    found = strict_text.parse(said("mac-a", at=NOW + 61))
    assert set(found["mlops_host_up"].samples.values()) == {0.0}
    assert "mlops_cpu_ratio" not in found


GOOD = '# HELP mlops_a_bytes One.\n# TYPE mlops_a_bytes gauge\nmlops_a_bytes{host="a"} 1\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1\n", "1"),
        ("1\n", "NaN\n"),
        ("1\n", "0x10\n"),
        ("1\n", "1 \n"),
        ('"a"', '"a\\q"'),
        ('"a"', '"a"x"'),
        ('{host="a"}', '{host="a",host="b"}'),
        ('{host="a"}', '{__host="a"}'),
        ('{host="a"}', "{host=a}"),
        ("# TYPE mlops_a_bytes gauge\n", ""),
        ("gauge", "counter"),
        ("gauge", "info"),
        ("One.", "One"),
        ("mlops_a_bytes", "mlops_a_mhz"),
        (GOOD, GOOD + GOOD),
        ('mlops_a_bytes{host="a"} 1\n', 'mlops_a_bytes{host="a"} 1\n' * 2),
        ('mlops_a_bytes{host="a"} 1\n', ""),
        ('mlops_a_bytes{host="a"} 1\n', 'mlops_b{host="a"} 1\n'),
    ],
)
def test_the_strict_reader_is_strict(old: str, new: str):
    assert strict_text.parse(GOOD)["mlops_a_bytes"].samples == {(("host", "a"),): 1.0}
    with pytest.raises(FormatError):
        strict_text.parse(GOOD.replace(old, new))
