"""Whatever columns come, there is a verdict on each, and its figures are possible ones."""

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.monitoring import exporting
from services.monitoring.reference import made
from services.monitoring.verdict import judge

NAMES = st.sampled_from(["input.a", "input.b", "input.v[3]", "output.y", 'output."x"', "input.Ä b"])
VALUES = st.sampled_from([
    (pa.float64(), st.floats()),
    (pa.float64(), st.sampled_from([0.0, 1e308, -1e308, 5e-324])),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int64(), st.integers(0, 3)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(max_size=20)),
    (pa.string(), st.sampled_from(["", " ", "1", "nan", "a b c d", "\0", "é\u202e"])),
])  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 40))
    columns = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        kind, values = draw(VALUES)
        some = draw(st.lists(st.none() | values, min_size=1, max_size=8))
        columns[name] = pa.array([some[n % len(some)] for n in range(rows)], kind)
    if draw(st.booleans()):
        columns["id"] = pa.array([f"r{n // 3}" for n in range(rows)], pa.string())
    return pa.table(columns) if columns else pa.table({"id": pa.array(["r"] * rows, pa.string())})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), tables())
def test_any_columns_are_judged(then: pa.Table, now: pa.Table):
    for one in judge(made(then, "the baseline"), now):
        assert one.said.endswith(".")
        assert one.share is None or 0.0 <= one.share <= 1.0
        assert (one.severity == "none") == (one.state != "drifted")
        for column in one.columns:
            assert column.said.endswith(".")
            assert column.p_value is None or 0.0 <= column.p_value <= 1.0
            assert column.effect is None or column.effect >= 0.0
            for histogram in (column.reference, column.current):
                assert histogram is None or abs(sum(histogram.shares) - 1.0) < 1e-9


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), tables())
def test_any_columns_are_exported_as_two_tables_of_the_same_columns(then: pa.Table, now: pa.Table):
    found = exporting.tables(made(then, "the baseline"), now)
    assert found.reference.schema == found.current.schema
    assert list(found.columns) == found.reference.column_names
