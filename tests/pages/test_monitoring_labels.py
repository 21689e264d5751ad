"""Labels that fit nothing, on Monitoring: below the list, and above a deployment's accuracy."""

from typing import Any

from services.home import Home
from tests.monitoring_seed import CLIP, LORA
from tests.pages.conftest import Open
from tests.pages.monitoring_shown import Laid, laid, opened
from tests.services.monitoring.test_labels_fit import Lab

__all__ = ["laid"]


def warned(app: Any) -> str:
    assert not app.exception
    return "\n".join(str(one.value) for one in app.warning if "labels of the last day" in one.value)


def strange(home: Home) -> None:
    project, _, _ = LORA.partition(".")
    lab = Lab(home)
    lab.strange(7, project=project)
    lab.strange(5)
    lab.counted()


def test_where_all_labels_fit_nothing_is_said(laid: Laid, open_page: Open):
    laid()
    assert warned(opened(open_page)) == ""


def test_unknown_requests_are_told_with_reasons(laid: Laid, open_page: Open, home: Home):
    laid()
    strange(home)
    for app in (opened(open_page), opened(open_page, LORA, part="Accuracy")):
        said = warned(app)
        assert "said with keys of lora" in said
        assert "7 such labels are kept" in said
        assert "7 may have a wrong id" in said
        assert "keys that open all projects" in said
    assert "keys of lora" not in warned(opened(open_page, CLIP, part="Accuracy"))


def test_a_person_sees_those_of_their_projects(laid: Laid, open_page: Open, home: Home):
    laid()
    strange(home)
    said = warned(opened(open_page, projects=(LORA.partition(".")[0],)))
    assert "7 such labels are kept" in said
    assert "keys that open all projects" not in said


def test_a_person_of_another_project_sees_none(laid: Laid, open_page: Open, home: Home):
    laid()
    strange(home)
    assert warned(opened(open_page, projects=(CLIP.partition(".")[0],))) == ""
