import time

import pytest

from dashboard import state
from services.actions import history
from services.actions.history import AliasEvent
from services.home import Home
from services.platform import room
from services.retraining import store as retraining
from tests.pages.conftest import Open, said, words
from tests.pages.roles import EVERY_ROLE
from tests.services.retraining.things import proposal


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("overview", role=role, mirror=mirror)

    assert not app.exception
    assert app.title[0].value == "Overview"


def test_all_nine_projects_are_there_with_their_best_and_its_change(open_page: Open):
    app = open_page("overview")

    assert len(app.metric) == 9
    assert [m.label for m in app.metric][-1] == r"val\_loss ↓"
    assert app.metric[0].value == "0.8200"
    assert app.metric[0].delta == "+0.0200"


def test_a_lower_loss_is_better_than_the_baseline(open_page: Open):
    said = words(open_page("overview", project="self-improving-diffusion"))

    assert r":green[−0\.0400 better] than baseline" in said


def test_what_needs_a_person_is_told_with_its_reason(open_page: Open):
    said = words(open_page("overview"))

    assert "has no closing quote" in said
    assert "No heartbeat for 4 minutes" in said
    assert r"Version 2 with few\_shot\_accuracy 0\.8210 passes all gates" in said


def test_a_version_that_was_rolled_back_does_not_wait(open_page: Open):
    assert "beats champion" in words(open_page("overview", project="clip-finetuning"))
    for version in (2, 1):
        event = AliasEvent(
            "clip-finetuning", "clip-finetuning", "champion", version, "ana", version
        )
        history.record(state.journal(), event)

    said = words(open_page("overview", project="clip-finetuning", mirror="as it is"))

    assert "beats champion" not in said
    assert "failed" in said


@pytest.mark.parametrize("page", ["overview", "alerts"])
@pytest.mark.parametrize(
    ("role", "projects", "asked_by", "shown"),
    [
        ("approver", None, "ana", True),
        ("admin", ("clip-finetuning",), "ana", True),
        ("approver", None, "mira", False),  # who opens the page
        ("approver", ("lora-finetuning",), "ana", False),
        ("operator", None, "ana", False),
    ],
)
def test_a_retraining_waits_for_who_may_decide_about_it(
    open_page: Open,
    page: str,
    role: str,
    projects: tuple[str, ...] | None,
    asked_by: str,
    shown: bool,
):
    open_page("nowhere", role=role, projects=projects)
    clip = "clip-finetuning"
    one = proposal(project=clip, model=clip, requested_by=asked_by, created_at=time.time() - 60)
    retraining.put(state.journal(), one)

    app = open_page(page, role=role, projects=projects, mirror="as it is")

    assert not app.exception
    told = said(app).replace("\\", "")
    assert ("Retraining of clip-finetuning" in told) == shown
    assert ("10 min (8 to 14, 5 before)" in told) == shown


def test_the_scope_limits_everything(open_page: Open):
    app = open_page("overview", project="clip-finetuning")

    assert len(app.metric) == 1
    assert "Stable diffusion" not in words(app)


def test_a_scoped_person_sees_nothing_of_the_others(open_page: Open):
    app = open_page("overview", projects=("clip-finetuning",))

    assert len(app.metric) == 1
    assert "stable" not in words(app).lower()
    assert "meta" not in words(app).lower()


def test_a_shorter_range_counts_fewer_failures(open_page: Open):
    assert "1 failed" in words(open_page("overview", project="clip-finetuning"))

    said = words(open_page("overview", project="clip-finetuning", range="6h"))

    assert "failed" not in said
    assert "1 running" in said


def test_an_empty_platform_says_the_command_that_fills_it(open_page: Open):
    said = words(open_page("overview", mirror="empty"))

    assert "No project has trained yet" in said
    assert "./mlops up --demo" in said
    assert "Nothing needs you" not in said


def test_the_picture_stays_when_mlflow_is_down(open_page: Open):
    app = open_page("overview", mirror="down")
    said = words(app)

    assert len(app.metric) == 9
    assert "has not answered" in said
    assert "Nothing listens on" in said
    assert "mlops restart mlflow" in said


@pytest.mark.parametrize("mirror", ["full", "empty", "down"])
def test_a_full_disk_is_told_with_its_mend(
    open_page: Open, home: Home, monkeypatch: pytest.MonkeyPatch, mirror: str
):
    assert "disk is full" not in words(open_page("overview", mirror=mirror))

    monkeypatch.setattr(room, "free_bytes", lambda asked: [(asked.root, 2_500_000)])
    (error,) = open_page("overview", mirror=mirror).error

    assert "The disk is full: 2\\.5 MB free at" in error.value
    assert home.root.name in error.value.replace("\\", "")
    assert "`uv cache prune`" in error.value


def test_names_are_drawn_letter_by_letter(open_page: Open):
    everything = said(open_page("overview", mirror="failing", project="lora-finetuning"))

    assert "onerror" in everything
    assert "<img src" not in everything


def test_an_unknown_project_in_the_address_is_said_to_be(open_page: Open):
    said = words(open_page("overview", project="nowhere"))

    assert "There is no project" in said


def test_failures_of_the_range_are_counted_project_by_project(open_page: Open):
    app = open_page("overview", range="24h")

    assert words(app).count("1 failed") == 9
    assert words(app).count("is lost") == 1


def test_what_needs_a_person_and_does_not_fit_is_drawn_when_it_is_asked_for(open_page: Open):
    app = open_page("overview")
    folded = len(app.page_link)

    app.session_state["more-needs"] = True
    app.run()

    assert app.expander[0].label.endswith(" more")
    assert len(app.page_link) == folded + int(app.expander[0].label.split()[0])


def test_a_falling_loss_has_the_colour_of_a_rising_accuracy(open_page: Open):
    loss, accuracy = (
        open_page("overview", mirror=mirror, project=project).metric[0]
        for mirror, project in (
            ("full", "self-improving-diffusion"),
            ("as it is", "clip-finetuning"),
        )
    )

    assert loss.delta.startswith("-")
    assert loss.proto.color == accuracy.proto.color
