"""Verdicts: what moved is found, what did not is not, and what cannot be told is said to be so."""

import numpy as np
import pyarrow as pa
import pytest

from services.monitoring.models import ColumnVerdict, Verdict
from services.monitoring.verdict import Judged, Rules, judge
from tests.services.monitoring.tables import reference, table

ROWS = 2000


def by_kind(judged: list[Judged]) -> dict[str, Judged]:
    return {one.kind: one for one in judged}


def column(judged: Judged, name: str) -> ColumnVerdict:
    return next(one for one in judged.columns if one.name == name)


def test_the_same_distribution_is_steady_and_says_so_with_its_numbers():
    found = by_kind(judge(reference(), table(1, ROWS)))
    assert {kind: one.state for kind, one in found.items()} == {
        "data": "steady", "prediction": "steady", "quality": "steady",
    }  # fmt: skip
    one = column(found["data"], "input.f0")
    assert (one.n_reference, one.n_current, one.threshold) == (1000, ROWS, 0.1)
    assert one.p_value == 1.0
    assert one.reference is not None
    assert one.reference.edges == one.current.edges  # type: ignore[union-attr]
    assert found["data"].said == "The inputs are as in the evaluation data of version 3."


def test_half_a_standard_deviation_in_3_of_20_columns_is_found_in_2000_rows_each_time():
    base = reference()
    for seed in range(20):
        found = by_kind(judge(base, table(100 + seed, ROWS, 0.5)))["data"]
        assert found.state == "drifted"
        names = [one.name for one in found.columns if one.state == "drifted"]
        assert set(names) <= {"input.f0", "input.f1", "input.f2"}
        assert found.severity == "high"  # the label hangs on f0


def test_a_shift_too_small_to_matter_is_no_drift_however_many_rows_show_it():
    base = reference(rows=10_000)
    one = column(by_kind(judge(base, table(5, 50_000, 0.06)))["data"], "input.f0")
    assert one.p_value is not None
    assert one.p_value < Rules().level
    assert one.state == "steady"


def test_a_difference_that_can_be_chance_is_no_drift_however_large():
    one = column(by_kind(judge(reference(), table(7, 60)))["data"], "input.f3")
    assert one.effect is not None
    assert one.effect > 0.1
    assert one.state == "steady"


@pytest.mark.parametrize("rows", [1, 5, 30])
def test_few_rows_are_too_few(rows: int):
    for one in judge(reference(), table(1, rows)):
        assert one.state == "too few"
        assert one.said.startswith("Too few predictions yet")


def test_where_the_baseline_is_what_is_few_it_says_so():
    for one in judge(reference(rows=20), table(1, 5_000)):
        assert one.state == "too few"
        assert one.said.startswith("Too few rows to tell whether the ")
        assert "there are only 20 of" in one.said


def test_a_young_shift_shows_in_the_newest_rows_of_a_long_window():
    window = pa.concat_tables([table(1, 9000), table(2, ROWS, 0.5)])
    found = by_kind(judge(reference(), window))["data"]
    assert "input.f1" in [one.name for one in found.columns if one.state == "drifted"]
    whole = by_kind(judge(reference(), window, Rules(newest=100_000)))["data"]
    assert "input.f1" not in [one.name for one in whole.columns if one.state == "drifted"]


def test_a_column_that_matters_makes_it_severe_and_one_that_does_not_does_not():
    base = reference()
    assert base.importance["input.f0"] > 0.9
    slight = by_kind(judge(base, table(1, ROWS, **{"input.f9": _normal(ROWS) + 0.3})))["data"]
    assert (slight.state, slight.severity) == ("drifted", "low")
    much = by_kind(judge(base, table(1, ROWS, **{"input.f0": _normal(ROWS) + 0.3})))["data"]
    assert (much.state, much.severity) == ("drifted", "high")


def test_faults_of_columns_are_named_each_and_the_rest_is_judged():
    window = table(1, ROWS, 0.5, **{
        "input.f5": pa.nulls(ROWS, pa.float64()),
        "input.f6": np.full(ROWS, 1.5),
        "input.f7": np.array(["x"] * ROWS),
        "input.f8": pa.array([None if n % 2 else 0.1 * n for n in range(ROWS)]),
        "input.extra": np.ones(ROWS),
    }).drop_columns(["input.f4"])  # fmt: skip
    found = by_kind(judge(reference(), window))
    quality = {one.name: one.state for one in found["quality"].columns if one.state != "steady"}
    assert quality == {
        "input.f4": "missing", "input.f5": "empty", "input.f6": "constant", "input.f7": "failed",
        "input.f8": "drifted", "input.extra": "new",
    }  # fmt: skip
    assert found["quality"].severity == "medium"
    assert "f4 (missing)" in found["quality"].said or "and 3 more" in found["quality"].said
    data = {one.name: one.state for one in found["data"].columns}
    assert [data[f"input.f{n}"] for n in range(3)] == ["drifted"] * 3
    assert data["input.f7"] == "failed"
    assert "numbers were expected" in column(found["data"], "input.f7").said
    assert "input.extra" not in data


def test_a_column_that_is_seldom_there_is_not_missed_at_once():
    seldom = pa.array([1.0 * n if n % 20 == 0 else None for n in range(1000)])
    base = reference(**{"input.f4": seldom})
    few = by_kind(judge(base, table(1, 40).drop_columns(["input.f4"])))["quality"]
    assert column(few, "input.f4").state == "too few"
    many = by_kind(judge(base, table(1, ROWS).drop_columns(["input.f4"])))["quality"]
    assert column(many, "input.f4").state == "too few"  # 5 % less is below the threshold


def test_figures_that_read_as_text_in_the_baseline_too_are_figures():
    """So the log gives a stretch of time beside another in which the column held texts."""
    texts = list(map(str, table(0, 1000)["input.f3"].to_pylist()))
    base = reference(**{"input.f3": texts})
    one = column(by_kind(judge(base, table(1, ROWS, 0.5, 4)))["data"], "input.f3")
    assert (one.kind, one.state) == ("numeric", "drifted")
    broken = judge(base, table(1, ROWS, **{"input.f3": ["broken"] * ROWS}))
    assert column(by_kind(broken)["quality"], "input.f3").state == "failed"
    codes = [f"{n % 30:05}" for n in range(1000)]
    of_codes = reference(**{"input.f3": codes})
    assert column(_data_of(of_codes, codes * 2), "input.f3").kind == "category"


def _data_of(base, values: list[str]) -> Judged:
    return by_kind(judge(base, table(1, len(values), **{"input.f3": values})))["data"]


def test_a_column_that_seldom_comes_is_not_new_at_once():
    rare = pa.array([1.0 if n % 100 == 0 else None for n in range(ROWS)])
    quality = by_kind(judge(reference(), table(1, ROWS, **{"input.rare": rare})))["quality"]
    assert column(quality, "input.rare").state == "too few"
    assert quality.state == "steady"


def test_a_few_values_of_another_type_do_not_spoil_a_column():
    texts = list(map(str, table(1, ROWS)["input.f3"].to_pylist()))
    found = by_kind(judge(reference(), table(1, ROWS, **{"input.f3": ["n/a"] * 20 + texts[20:]})))
    one = column(found["data"], "input.f3")
    assert (one.state, one.n_current) == ("steady", ROWS - 20)
    assert column(found["quality"], "input.f3").state == "steady"


def test_figures_written_as_text_are_figures():
    values = table(1, ROWS)["input.f3"].to_pylist()
    window = table(1, ROWS, **{"input.f3": [str(value) for value in values]})
    one = column(by_kind(judge(reference(), window))["data"], "input.f3")
    assert one.state == "steady"


def test_whole_numbers_with_a_gap_are_the_same_categories():
    values = table(1, ROWS)["input.doors"].to_pylist()
    window = table(1, ROWS, **{"input.doors": [None, *map(float, values[1:])]})
    one = column(by_kind(judge(reference(), window))["data"], "input.doors")
    assert (one.state, one.kind) == ("steady", "category")
    assert one.effect is not None
    assert one.effect < 0.1


def test_of_ten_thousand_categories_new_ones_and_favourites_are_found():
    def places(seed: int, first: int, power: float = 1.0) -> np.ndarray:
        drawn = np.random.default_rng(seed).random(ROWS) ** power
        return (first + 10_000 * drawn).astype(int).astype(str)

    base = reference(rows=ROWS, **{"input.zip": places(0, 0)})

    def found(values: np.ndarray) -> ColumnVerdict:
        return column(
            by_kind(judge(base, table(1, ROWS, **{"input.zip": values})))["data"], "input.zip"
        )

    assert found(places(1, 0)).state == "steady"
    new = found(places(1, 50_000))
    assert (new.kind, new.state) == ("category", "drifted")
    assert "came before" in new.said
    assert new.current is not None
    assert len(new.current.labels) == 21
    assert found(places(1, 0, 8.0)).state == "drifted"


def test_text_that_gets_longer_or_other_words_is_found_and_says_what_moved():
    def prose(seed: int, rows: int, words: list[str], longest: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [" ".join(rng.choice(words, rng.integers(4, longest))) for _ in range(rows)]

    plain = ["the", "cat", "sat", "on", "a", "mat", "while", "dogs", "ran", "home"]
    base = reference(**{"input.text": prose(0, 1000, plain, 15)})
    assert column(_data(base, prose(1, ROWS, plain, 15)), "input.text").state == "steady"
    longer = column(_data(base, prose(2, ROWS, plain, 30)), "input.text")
    assert (longer.kind, longer.state) == ("text", "drifted")
    assert "up in characters" in longer.said or "up in words" in longer.said
    foreign = ["der", "die", "das", "eine", "mit", "und", "ist", "auf", "vor", "am"]
    other = column(_data(base, prose(3, ROWS, foreign, 15)), "input.text")
    assert "words the baseline has not" in other.said


def _data(base, texts: list[str]) -> Judged:
    return by_kind(judge(base, table(1, len(texts), **{"input.text": texts})))["data"]


def test_rows_of_one_request_count_for_less():
    """Each of 20 requests has 100 rows that are alike: 20 draws, not 2,000."""
    rng = np.random.default_rng(3)
    alike = np.repeat(rng.normal(size=20), 100) + 0.1 * rng.normal(size=ROWS)
    ids = np.repeat([f"r{n}" for n in range(20)], 100)
    asked = column(
        by_kind(judge(reference(), table(1, ROWS, id=ids, **{"input.f3": alike})))["data"],
        "input.f3",
    )
    alone = column(
        by_kind(judge(reference(), table(1, ROWS, **{"input.f3": alike})))["data"], "input.f3"
    )
    assert alone.state == "drifted"
    assert asked.state != "drifted"


def test_nothing_asked_and_nothing_to_compare_are_unknown():
    found = by_kind(judge(reference(), table(1, 0)))
    assert found["data"].state == "unknown"
    assert found["quality"].state in ("unknown", "too few")


def test_a_verdict_reads_back_as_it_was_written():
    judged = judge(reference(), table(1, ROWS, 0.5))[0]
    verdict = Verdict(
        "id", "p", "m", 3, "data", 1.0, "evaluation", 0.5, 1.0, ROWS, judged.columns,
        judged.share, judged.severity, judged.state, judged.said, "reports/a.html",
    )  # fmt: skip
    assert Verdict.from_json(verdict.as_json()) == verdict


def _normal(rows: int) -> np.ndarray:
    return np.random.default_rng(9).normal(size=rows)
