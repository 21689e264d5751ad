"""A failure as it is drawn."""

from dataclasses import replace

from dashboard.charts.theme import Colours
from dashboard.workflows.failed import different_html, facts_html, lines_text
from services.workflows.differences import Difference
from services.workflows.failure import Explanation, Fact

HUES = Colours(
    (), (), (), "#111111", "#777777", "#dddddd", "#ffffff", "#fafafa", "#00aa00", "#aa0000",
    "#aaaa00", "#0000aa",
)  # fmt: skip


def told(**more: object) -> Explanation:
    given = Explanation(
        "train", "failed", "It ended with exit code 1.", (), (), None, (), "Compared.", "Mend it.",
    )  # fmt: skip
    return replace(given, **more)  # type: ignore[arg-type]


def test_what_was_not_measured_is_grey_and_says_why():
    facts = (Fact("Free disk", "70 GB"), Fact("Heat", "its machine does not tell", known=False))
    found = facts_html(told(facts=facts), HUES)
    known, unknown = found.split("Heat")
    assert f"color:{HUES.text};text-align" in known
    assert f"color:{HUES.muted};text-align" in unknown


def test_what_is_different_is_told_before_and_now_and_bounded():
    one = Difference("package numpy", "1.26", "")
    found = different_html(told(different=(one, Difference("<b>", "<i>", "x"))), HUES)
    assert "1.26 → <b>gone</b>" in found
    assert "&lt;b&gt;" in found
    assert "<i>" not in found
    many = tuple(Difference(f"package p{n}", "1", "2") for n in range(20))
    assert "and 8 more" in different_html(told(different=many), HUES)


def test_nothing_different_is_said():
    assert "Nothing that is noted differs." in different_html(told(), HUES)
    first = told(compared="No earlier success of it is known, so there is nothing to compare with.")
    assert "Nothing that is noted differs." not in different_html(first, HUES)


def test_the_line_of_the_exception_is_marked():
    assert lines_text(told(lines=("a", "KeyError: b", "c"), marked=1)) == (
        "  a\n▸ KeyError: b\n  c"
    )


def test_what_tells_the_cause_is_marked():
    facts = (Fact("Most memory", "8.3 GB of 8.0 GB", telling=True), Fact("Free disk", "70 GB"))
    telling, other = facts_html(told(facts=facts), HUES).split("Free disk")
    assert "▸ <b>8.3 GB of 8.0 GB</b>" in telling
    assert HUES.bad in telling
    assert HUES.bad not in other
