import math

from dashboard.registry.columns import all_finite, differs, metrics_of, shown_first
from dashboard.registry.standing import Rules
from tests.dashboard.registry.versions import version

RULES = Rules("acc", "max", {"size_bytes": "< 10"})


def test_metrics_that_count_stand_first():
    versions = (version(1, 0.5, metrics={"a": 1.0, "size_bytes": 3.0}), version(2, 0.6))

    assert metrics_of(versions, RULES) == ("acc", "size_bytes", "a")


def test_metrics_that_differ_are_shown_before_those_that_do_not():
    same = {"aa": 1.0, "ab": 1.0, "ac": 1.0}
    versions = (version(1, 0.5, metrics=same | {"z": 1.0}), version(2, 0.6, metrics=same))
    known = metrics_of(versions, RULES)

    assert shown_first(known, versions, RULES) == ["acc", "z", "aa", "ab"]
    assert differs("z", versions)
    assert not differs("aa", versions)


def test_a_metric_with_nan_is_no_column_of_numbers():
    assert not all_finite("acc", (version(1, math.nan), version(2, 0.5)))
    assert all_finite("acc", (version(1), version(2, 0.5)))
