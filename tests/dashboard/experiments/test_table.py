from dashboard.experiments.table import after_click, sorted_by
from dashboard.experiments.view import MAX_SELECTED, View

IDS = ("a", "b", "c")


def test_a_click_on_a_heading_sorts_and_begins_at_the_first_page():
    view = after_click(View(page=7), IDS, (), ("metrics.loss",))
    assert (view.sort, view.descending, view.page) == ("metrics.loss", True, 1)


def test_a_second_click_turns_the_order_round():
    once = sorted_by(View(), "metrics.loss")
    assert not sorted_by(once, "metrics.loss").descending
    assert sorted_by(sorted_by(once, "metrics.loss"), "metrics.loss").descending


def test_words_are_sorted_from_a_to_z_first():
    assert not sorted_by(View(), "name").descending


def test_columns_without_an_order_leave_it():
    assert sorted_by(View(), "curve") == View()


def test_the_main_metric_is_sorted_best_first():
    view = sorted_by(View(), "main_metric")
    assert (view.sort, view.descending) == ("main_metric", True)


def test_a_click_on_a_heading_keeps_what_is_chosen():
    assert after_click(View(selected=("z",)), IDS, (0,), ("name",)).selected == ("z",)


def test_boxes_choose_and_what_was_chosen_on_other_pages_stays():
    view = after_click(View(selected=("z", "b")), IDS, (0, 2), ())
    assert view.selected == ("z", "a", "c")


def test_a_box_past_the_rows_is_ignored():
    assert after_click(View(), IDS, (1, 9), ()).selected == ("b",)


def test_so_many_runs_and_no_more_can_be_chosen():
    many = tuple(f"x{i}" for i in range(MAX_SELECTED))
    assert len(after_click(View(selected=many), IDS, (0,), ()).selected) == MAX_SELECTED
