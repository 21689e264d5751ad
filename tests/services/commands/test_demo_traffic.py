"""What the demo asks of evaluation data that an older client logged."""

from services.commands import demo_traffic


def test_evaluation_data_without_labels_or_ignored_inputs_is_asked():
    data = {"v": 1, "rows": 2, "inputs": {"x": [1.0, 2.0]}, "outputs": {"y": [0, 1]}}
    columns, labels = next(demo_traffic._drawn(data))
    assert list(columns) == ["x"]
    assert set(columns["x"]) == {1.0, 2.0}
    assert labels is None


def test_what_is_no_data_is_drawn_and_labels_go_with_their_rows():
    data = {"rows": 2, "inputs": {"x": [1, 2]}, "labels": [10, 20], "ignored": ["seed"]}
    columns, labels = next(demo_traffic._drawn(data))
    assert labels == [10 * x for x in columns["x"]]
    assert len(set(columns["seed"])) > 10
