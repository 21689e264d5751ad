from datetime import UTC, datetime, timedelta

import pytest

from dashboard.registry.timeline import nothing_known
from services.actions.history import OBSERVED
from tests.pages.conftest import Open, words
from tests.pages.models_shown import AS_IT_IS, FAILING, GOOD, button, moved
from tests.pages.roles import EVERY_ROLE, ROLES

# The table


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_registry_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("registry", role=role, mirror=mirror)

    assert not app.exception
    assert app.title[0].value == "Registry"


def test_all_models_are_listed_with_project_format_and_gates(open_page: Open):
    app = open_page("registry")
    table = app.dataframe[0].value

    assert len(table) == 9
    row = table[table["name"] == "self-improving-diffusion"].iloc[0]
    assert row["project"] == "self-improving-diffusion"
    assert row["format"] == "safetensors"
    assert row["champion"] == "version 1"
    assert row["value"] == "val_loss 0.4000"
    assert list(row["gates"]) == ["✕ failed"]
    assert list(row["change"]) == ["▲ −0.0200 better"]
    assert "8 have a better version" in words(app)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({"project": "clip-finetuning"}, 1),
        ({"text": "diffusion"}, 3),
        ({"format": "safetensors"}, 9),
        ({"alias": "champion"}, 9),
    ],
)
def test_the_filters_of_the_address_hold(open_page: Open, query: dict[str, str], rows: int):
    assert len(open_page("registry", **query).dataframe[0].value) == rows


def test_a_filter_nothing_matches_is_taken_away_by_a_button(open_page: Open):
    app = open_page("registry", text="no such model")
    assert "No model matches" in words(app)

    app.button(key="clear").click().run()

    assert len(app.dataframe[0].value) == 9


def test_a_scoped_person_sees_their_models_only(open_page: Open):
    app = open_page("registry", projects=("clip-finetuning",))

    assert list(app.dataframe[0].value["name"]) == ["clip-finetuning"]


def test_an_empty_registry_says_the_command_that_fills_it(open_page: Open):
    assert "./mlops up --demo" in words(open_page("registry", mirror="empty"))


# One model


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "down"])
def test_the_model_draws_for_every_role(open_page: Open, role: str, mirror: str):
    app = open_page("model", role=role, mirror=mirror, **GOOD)

    assert not app.exception
    assert app.title[0].value == r"clip\-finetuning"


@pytest.mark.parametrize("query", [{}, {"of": "x", "model": "y"}, {"model": "<b>x</b>" * 90}])
def test_an_unknown_model_is_said_to_be(open_page: Open, query: dict[str, str]):
    app = open_page("model", **query)

    assert not app.exception
    assert "model" in app.error[0].value
    assert "<b>" not in app.error[0].value


def test_a_model_outside_the_scope_is_unknown(open_page: Open):
    app = open_page("model", projects=("stable-diffusion",), **GOOD)

    assert "There is no model" in app.error[0].value


def test_versions_stand_side_by_side_with_their_metrics(open_page: Open):
    table = open_page("model", **GOOD).dataframe[0].value

    assert list(table["version"]) == [2, 1]
    assert list(table["m:recall_at_1"]) == pytest.approx([0.812, 0.792])
    assert list(table["aliases"].iloc[1]) == ["★ champion"]
    assert list(table["change"].iloc[0]) == ["▲ +0.0200 better"]


def test_the_address_names_the_version_that_is_looked_at(open_page: Open):
    assert "Version 2" in [s.value for s in open_page("model", **GOOD).subheader]

    named = open_page("model", version="1", **GOOD)

    assert "Version 1" in [s.value for s in named.subheader]


@pytest.mark.parametrize("wanted", ["99", "0", "latest"])
def test_a_version_that_is_not_there_is_named_and_the_newest_shown(open_page: Open, wanted: str):
    app = open_page("model", version=wanted, **GOOD)

    assert f"Version {wanted} of" in app.info[0].value
    assert "does not exist: this is version 2" in app.info[0].value
    assert "Version 2" in [s.value for s in app.subheader]


def test_the_metrics_and_the_moment_follow_the_address(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    asked = {"metrics": "loss", "at": "2020-01-01T10:30"}
    app = open_page("model", mirror=AS_IT_IS, **asked, **GOOD)

    assert app.multiselect(key="metrics").value == ["loss"]
    assert app.datetime_input(key="at").value == datetime(2020, 1, 1, 10, 30)  # noqa: DTZ001 - the reader's own clock
    app.multiselect(key="metrics").set_value([]).run()
    assert app.multiselect(key="metrics").value == []
    assert app.query_params["metrics"] == ""
    app.datetime_input(key="at").set_value(None).run()
    assert "at" not in app.query_params


@pytest.mark.parametrize("at", ["yesterday", "2020-13-01T00:00", "<b>"])
def test_a_moment_that_is_none_is_now(open_page: Open, at: str):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    app = open_page("model", mirror=AS_IT_IS, at=at, **GOOD)

    assert app.datetime_input(key="at").value is None
    assert "version 1 was champion" in app.success[0].value


def test_a_failing_gate_names_value_and_bound(open_page: Open):
    said = words(open_page("model", **FAILING))

    assert r"val\_loss **0\.3800** :gray[wants &lt;\= 0\.3]" in said


# Acting


@pytest.mark.parametrize(("role", "may"), list(zip(ROLES, (False, False, True, True), strict=True)))
def test_only_approvers_promote(open_page: Open, role: str, may: bool):
    app = open_page("model", role=role, **GOOD)

    assert button(app, "promote").disabled is not may
    if not may:
        assert f"takes the role approver; mira is {role}" in button(app, "promote").help


@pytest.mark.parametrize(("role", "may"), list(zip(ROLES, (False, True, True, True), strict=True)))
def test_operators_tag_and_archive(open_page: Open, role: str, may: bool):
    app = open_page("model", role=role, **GOOD)

    assert button(app, "version-tag").disabled is not may
    assert button(app, "version-archive").disabled is not may


def test_nothing_is_done_while_mlflow_is_down(open_page: Open):
    app = open_page("model", role="admin", mirror="down", **GOOD)

    for key in ("promote", "version-tag", "version-archive"):
        assert button(app, key).disabled
        assert "has not answered" in button(app, key).help


# Who promoted what when


def test_a_champion_nobody_saw_promoted_is_said_to_be_so(open_page: Open):
    assert "Who made it so and when was not seen" in words(open_page("model", **GOOD))


def test_the_history_begins_with_the_first_promotion():
    assert nothing_known(None, "champion").startswith("No version was ever champion")


def test_the_timeline_names_who_when_and_why(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    moved(2, "ana", 7, 10, "better recall")

    app = open_page("model", mirror=AS_IT_IS, **GOOD)
    spans = app.dataframe[1].value

    assert list(spans["version"]) == ["version 2", "version 1"]
    assert list(spans["who"]) == ["ana", "outside this platform"]
    assert list(spans["why"]) == ["better recall", "none given"]
    assert "version 2 was champion" in app.success[0].value


def test_the_champion_at_a_moment_is_answered(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    moved(2, "ana", 7, 10)
    app = open_page("model", mirror=AS_IT_IS, **GOOD)

    at = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0) - timedelta(days=15)
    app.datetime_input(key="at").set_value(at).run()

    assert not app.exception
    assert "version 1 was champion" in app.success[0].value


def test_before_everything_the_answer_is_that_nobody_knows(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 2)
    app = open_page("model", mirror=AS_IT_IS, **GOOD)

    at = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0) - timedelta(days=15)
    app.datetime_input(key="at").set_value(at).run()

    assert "Nothing is known of champion" in app.info[0].value


def test_a_clicked_name_shows_the_gist_of_its_model(open_page: Open):
    app = open_page("registry", project="clip-finetuning")

    app.session_state["registry:peek"] = ("clip-finetuning", "clip-finetuning")
    app.run()

    assert not app.exception
    assert "**Champion** version 1" in words(app)
    assert r"recall\_at\_1 0\.7920 → **0\.8120**" in words(app)


def test_a_filter_goes_into_the_address_and_out_of_it(open_page: Open):
    app = open_page("registry")

    app.text_input(key="registry:text").set_value("diffusion").run()
    assert "diffusion" in app.query_params["text"]
    assert len(app.dataframe[0].value) == 3
    app.text_input(key="registry:text").set_value("").run()

    assert "text" not in app.query_params
    assert len(app.dataframe[0].value) == 9


def test_a_format_there_is_none_of_matches_nothing(open_page: Open):
    app = open_page("registry", format="pickle")

    assert not app.exception
    assert "No model matches" in words(app)
