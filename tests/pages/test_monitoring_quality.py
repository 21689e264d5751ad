"""Part Accuracy of a deployment: the choice of a measure, and answers in detail."""

from tests.monitoring_seed import LORA
from tests.pages.conftest import Open, said
from tests.pages.monitoring_shown import Laid, laid, opened

__all__ = ["laid"]


def test_a_measure_is_chosen_and_in_the_address(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, part="Accuracy")
    assert not app.exception
    assert "Accuracy" in {one.label for one in app.metric}
    choice = app.button_group(key="metric")
    assert choice.options == ["Accuracy", "F1", "Precision", "Recall"]
    assert "By class" in said(app)
    assert "Which was taken for which" in said(app)
    app = opened(open_page, LORA, part="Accuracy", metric="recall")
    assert not app.exception
    labels_ = {one.label for one in app.metric}
    assert "Recall" in labels_
    assert "Accuracy" not in labels_
    assert "Recall " in said(app)


def test_a_measure_that_labels_do_not_give_is_not_shown(laid: Laid, open_page: Open):
    laid()
    for wrong in ("rmse", "nonsense"):
        app = opened(open_page, LORA, part="Accuracy", metric=wrong)
        assert not app.exception
        assert "Accuracy" in {one.label for one in app.metric}
