from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dashboard.experiments.view import View, is_field, read_view
from services.mirror.filters import ATTRIBUTES, field_name
from services.mirror.main_metric import MAIN_METRIC

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
FIELDS = st.one_of(
    st.sampled_from(ATTRIBUTES),
    st.builds(field_name, st.sampled_from(("metrics", "params", "tags")), TEXT),
)
COLUMNS = st.lists(FIELDS | st.just(MAIN_METRIC), max_size=8, unique=True).map(tuple)
RUN_IDS = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
VIEWS = st.builds(
    View,
    filter=st.text(max_size=60).map(str.strip),
    sort=FIELDS,
    descending=st.booleans(),
    page=st.integers(1, 10_000_000),
    columns=st.none() | COLUMNS,
    curve=st.none() | st.just("-") | st.builds(field_name, st.just("metrics"), TEXT),
    archived=st.booleans(),
    selected=st.lists(RUN_IDS, max_size=5, unique=True).map(tuple),
)


@given(VIEWS)
def test_the_address_reproduces_the_view(view: Any):
    assert read_view(view.to_params()) == (view, ())


def test_a_bare_address_has_no_parameters():
    assert View().to_params() == {}


@given(
    st.dictionaries(
        st.sampled_from(["q", "sort", "p", "cols", "curve", "archived", "sel"]),
        st.text(max_size=200),
    )
)
def test_any_address_gives_a_view_that_can_be_written_again(params: Any):
    view, _ = read_view(params)
    assert read_view(view.to_params()) == (view, ())


def test_malformed_parts_are_left_out_with_a_sentence_each():
    params = {
        "sort": "-nonsense",
        "p": "-3",
        "cols": "status,<script>",
        "curve": "params.x",
        "sel": "../etc",
        "q": "x" * 10_001,
    }
    view, notices = read_view(params)
    assert view == View(columns=("status",))
    assert len(notices) == 6


def test_a_page_of_thousands_of_digits_is_no_page():
    view, notices = read_view({"p": "9" * 5000})
    assert view.page == 1
    assert notices


def test_too_many_selected_runs_are_cut():
    ids = ",".join(f"{i:032x}" for i in range(300))
    view, notices = read_view({"sel": ids})
    assert len(view.selected) == 200
    assert "300" in notices[0]


def test_a_name_of_ten_thousand_characters_is_no_field():
    assert not is_field("metrics." + "x" * 10_000)
    assert not is_field("metrics.")
    assert is_field('metrics."val acc"')
