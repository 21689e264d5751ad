import pytest

from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("projects", role=role, mirror=mirror)

    assert not app.exception
    assert app.title[0].value == "Projects"


def test_all_nine_projects_are_listed_the_broken_one_with_its_reason(open_page: Open):
    said = words(open_page("projects"))

    assert "8 connected" in said
    assert "1 broken" in said
    assert "has no closing quote" in said


def test_an_empty_platform_says_how_a_project_joins(open_page: Open):
    said = words(open_page("projects", mirror="empty"))

    assert "No project is connected" in said
    assert "mlops projects add PATH" in said
