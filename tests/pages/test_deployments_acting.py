"""What is done with deployments through the page's dialogs, and who may."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.components import actions
from services.actions.api_keys import AddApiKey
from services.actions.catalog import load
from services.home import Home
from services.serving import store
from services.serving.workbench import Workbench
from services.settings import Settings
from tests import deployments_seed
from tests.deployments_seed import CLIP, IMAGES, LORA, PIXELS, TEXT
from tests.pages.conftest import Open, said, words
from tests.pages.roles import ROLES
from tests.pages.test_deployments import Laid, laid, opened
from tests.services.serving.packages import good, mlmodel, safetensors
from tests.workflows.small_mlflow import SmallMLflow

__all__ = ["laid"]
Dialog = Callable[[str], None]


@pytest.fixture
def connected(laid: Laid, open_page: Open, home: Home) -> Callable[..., AppTest]:
    """Open a deployment of a project whose folder is there; its version 2 is packaged."""
    begun: list[bool] = []

    def done(name: str, **given: object) -> AppTest:
        if not begun:
            begun.append(True)
            laid()
            deployments_seed.package(home, LORA, 2, 212)
            # The mirror is laid by the first page; a look at the list does it.
            opened(open_page, role=given.get("role", "viewer"))
            deployments_seed.connect(Settings().mirror_url)
        return opened(open_page, name, **given)

    return done


def asked() -> tuple[str, str, str]:
    record = state.executor().history()[0]
    return record.kind, record.title, record.state


OFF = {
    "viewer": {"deploy", "rollback", "scale", "privacy", "undeploy"},
    "operator": {"rollback", "privacy", "undeploy"},
    "approver": set(),
    "admin": set(),
}


@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what_with_one_that_is_live(connected: Callable[..., AppTest], role: str):
    app = connected(LORA, role=role)
    for what in ("deploy", "rollback", "scale", "privacy", "undeploy"):
        button = app.button(key=f"deployment-{what}")
        assert button.disabled == (what in OFF[role]), what
        if button.disabled:
            assert "takes the role" in button.help
    assert app.button(key="deployment-deploy").label == "Deploy another version"


@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what_with_a_canary(connected: Callable[..., AppTest], role: str):
    app = connected(PIXELS, role=role)
    assert app.button(key="rollout-promote").disabled == (role in {"viewer", "operator"})
    for what in ("share", "abort"):
        assert app.button(key=f"rollout-{what}").disabled == (role == "viewer")
    assert "is on its way" in app.button(key="deployment-deploy").help or role == "viewer"


def test_one_that_was_never_another_version_cannot_go_back(connected: Callable[..., AppTest]):
    app = connected(CLIP, role="approver")
    assert "has no earlier version to go back to" in app.button(key="deployment-rollback").help


def test_blue_green_becomes_live_by_itself(connected: Callable[..., AppTest]):
    app = connected(TEXT, role="approver")
    assert "by itself" in app.button(key="rollout-promote").help
    assert "rollout-share" not in [one.key for one in app.button]


def test_a_deployment_tells_what_it_takes_and_what_happens(
    connected: Callable[..., AppTest], dialog_open: Dialog
):
    dialog_open("deployment-deploy")
    app = connected(LORA, role="approver")
    assert not app.exception
    assert app.selectbox(key="deploy-version").value == 2, "the live one is not offered"
    told = said(app)
    assert "Version 2 answers all requests to lora-finetuning.lora-finetuning instead of 1" in told
    assert "left</div>" in told or "that are left" in told
    assert "by each replica" in told
    assert "it goes back to version 1 by itself" in told
    app.button(key="acting-do").click().run()
    assert asked() == ("deploy", "Deploy lora-finetuning version 2", "pending")


def test_an_operator_deploys_a_canary_and_not_to_everybody(
    connected: Callable[..., AppTest], dialog_open: Dialog
):
    dialog_open("deployment-deploy")
    app = connected(LORA, role="operator")
    assert "takes the role approver" in "".join(one.value for one in app.warning)
    assert app.button(key="acting-do").disabled
    how = next(one for one in app.get("button_group") if one.label == "How")
    how.set_value("Canary").run()
    app.slider(key="deploy-percent").set_value(20).run()
    assert "20 % of the requests" in said(app)
    assert not app.button(key="acting-do").disabled
    app.slider(key="deploy-percent").set_value(60).run()
    assert app.button(key="acting-do").disabled
    app.slider(key="deploy-percent").set_value(20).run()
    app.button(key="acting-do").click().run()
    assert asked() == ("deploy", "Deploy lora-finetuning version 2 as a canary of 20 %", "pending")


def test_guards_and_resources_reach_the_action(
    connected: Callable[..., AppTest], dialog_open: Dialog
):
    dialog_open("deployment-deploy")
    app = connected(LORA, role="approver")
    app.number_input(key="deploy-guard-latency").set_value(2.0)
    app.number_input(key="deploy-guard-errors").set_value(5.0)
    app.number_input(key="deploy-guard-drift").set_value(25.0)
    app.number_input(key="deploy-memory").set_value(1.5)
    app.number_input(key="deploy-min").set_value(2)
    app.selectbox(key="deploy-watch").set_value(120).run()
    assert "within 120 s after the switch" in said(app)
    assert "more than 25 % of the columns of its answers" in said(app)
    app.button(key="acting-do").click().run()
    made = submitted()
    assert (made.max_error_share, made.max_latency_ratio, made.memory_gb) == (0.05, 2.0, 1.5)
    assert made.max_drift == 0.25
    assert (made.min_replicas, made.max_replicas, made.watch_s) == (2, 3, 120.0)


def submitted():
    """Return the action that was asked for last."""
    from sqlalchemy import select

    from services.actions import schema

    query = select(schema.actions).order_by(schema.actions.c.id.desc()).limit(1)
    with state.journal().read() as connection:
        row = connection.execute(query).one()
    return load(row.kind, row.params)


def test_more_at_least_than_at_most_is_a_sentence(
    connected: Callable[..., AppTest], dialog_open: Dialog
):
    dialog_open("deployment-deploy")
    app = connected(LORA, role="approver")
    app.number_input(key="deploy-min").set_value(5).run()
    assert "more replicas at least than at most" in said(app)
    assert app.button(key="acting-do").disabled


def test_one_click_back(connected: Callable[..., AppTest], dialog_open: Dialog):
    dialog_open("deployment-rollback")
    app = connected(LORA, role="approver")
    assert "Roll back to version 2" in [one.label for one in app.button]
    assert "Version 2 answers all requests" in said(app)
    app.button(key="acting-do").click().run()
    title = "Roll the endpoint lora-finetuning back to version 2"
    assert asked() == ("deploy-rollback", title, "pending")


def test_scaling_says_only_what_changes(connected: Callable[..., AppTest], dialog_open: Dialog):
    dialog_open("deployment-scale")
    app = connected(LORA, role="operator")
    assert "That is how it is." in said(app)
    assert app.button(key="acting-do").disabled
    app.number_input(key="deployment-scale-max").set_value(4)
    app.toggle(key="deployment-scale-pin").set_value(False).run()
    assert "It may be ended to make room for others" in said(app)
    app.button(key="acting-do").click().run()
    kind, title, _ = asked()
    assert kind == "scale"
    assert title == "Scale lora-finetuning: – to 4 replicas, no longer pinned"


def test_it_is_taken_out_of_service_with_a_reason(
    connected: Callable[..., AppTest], dialog_open: Dialog
):
    dialog_open("deployment-undeploy")
    app = connected(IMAGES, role="approver")
    app.text_input(key="deployment-undeploy-why").set_value("replaced").run()
    assert "told that there is no such model (404)" in said(app)
    app.button(key="acting-do").click().run()
    assert asked() == ("undeploy", "Take stable-diffusion out of service", "pending")


def test_what_the_prediction_log_keeps_is_set(
    connected: Callable[..., AppTest], dialog_open: Dialog
):
    dialog_open("deployment-privacy")
    app = connected(LORA, role="approver")
    assert "That is what it keeps now." in said(app)
    kept = next(one for one in app.get("button_group") if one.label == "It keeps")
    kept.set_value("sample").run()
    app.slider(key="deployment-privacy-share").set_value(25).run()
    assert "of a share of the predictions are kept" in said(app)
    app.button(key="acting-do").click().run()
    title = "Have the prediction log of lora-finetuning keep sample 25 %"
    assert asked() == ("serving-privacy", title, "pending")


def test_a_first_deployment_asks_what_is_kept(
    laid: Laid, open_page: Open, dialog_open: Dialog, home: Home
):
    laid()
    given = {"of": "federated-learning", "model": "federated-learning", "version": "2"}
    opened(open_page, role="approver")
    deployments_seed.connect(Settings().mirror_url)
    dialog_open("version-deploy")
    app = open_page("model", mirror="full", role="approver", **given)
    assert not app.exception
    told = said(app)
    assert "It has no live version yet" in told
    assert "What it takes is planned when it is packaged" in told
    keeps = next(one for one in app.get("button_group") if one.label.startswith("The prediction"))
    keeps.set_value("Hashes").run()
    app.button(key="acting-do").click().run()
    assert (submitted().privacy, submitted().version) == ("hash", 2)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> SmallMLflow:
    """An MLflow that lists 3 MB of weights as version 2 of a model that was never packaged."""
    known = SmallMLflow()
    kind = {
        "weights": "model.safetensors",
        "config": "config.json",
        "entry": "federated.serving:predictor",
    }
    files = good() | {
        "MLmodel": mlmodel({"mlx": kind}), "model.safetensors": safetensors(750_000)
    }  # fmt: skip
    named = {name.replace(".", "__"): data for name, data in files.items()}
    known.register("r1", 2, "federated-learning", **named)
    monkeypatch.setattr(Workbench, "_mlflow", lambda _: known.adapter())
    # As patient as it takes: machines are busy.
    monkeypatch.setattr(state, "_PATIENCE_S", 20.0)
    return known


@pytest.fixture
def first(laid: Laid, open_page: Open, dialog_open: Dialog) -> Callable[[], AppTest]:
    """Open the dialog of a first deployment."""

    def done() -> AppTest:
        laid()
        opened(open_page, role="approver")
        deployments_seed.connect(Settings().mirror_url)
        dialog_open("version-deploy")
        given = {"of": "federated-learning", "model": "federated-learning", "version": "2"}
        app = open_page("model", mirror="full", role="approver", **given)
        assert not app.exception
        return app

    return done


def test_a_first_deployment_says_what_it_takes_before_it_is_packaged(
    registry: SmallMLflow, first: Callable[[], AppTest]
):
    told = said(first())
    assert "by each replica" in told
    assert "MB of weights" in told
    assert "was not packaged here yet" in told
    assert "No estimate was held against a measured peak here yet." in told
    assert "It runs on mlx" in told


def test_what_cannot_fit_is_refused_before_it_is_packaged(
    registry: SmallMLflow, first: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_SERVING_MEMORY_GB", "0.05")
    app = first()
    app.button(key="acting-do").click().run()
    assert "serving_memory_gb" in app.error[-1].value.replace("\\", "")
    assert not [one for one in state.executor().history() if one.kind == "deploy"]


def test_what_will_be_refused_as_a_package_cannot_be_asked_for(
    registry: SmallMLflow, first: Callable[[], AppTest]
):
    (path,) = (one for one in registry.files if one.endswith("MLmodel"))
    registry.files[path] = mlmodel({"keras": {}})
    app = first()
    assert "has the flavour 'keras'" in app.error[0].value.replace("\\", "")
    assert app.button(key="acting-do").disabled


def test_a_share_is_set_and_a_rollout_ended(connected: Callable[..., AppTest], dialog_open: Dialog):
    dialog_open("rollout-share")
    app = connected(PIXELS, role="operator")
    assert "It has 10 % now" in said(app)
    app.slider(key="rollout-share-wanted").set_value(30).run()
    assert "30 % of the requests" in said(app)
    app.button(key="acting-do").click().run()
    assert asked() == ("rollout", "Send 30 % to cpu-compression version 2", "pending")


def test_a_rollout_is_ended(connected: Callable[..., AppTest], dialog_open: Dialog):
    dialog_open("rollout-abort")
    app = connected(PIXELS, role="operator")
    assert "gives its memory back" in said(app)
    app.button(key="acting-do").click().run()
    assert asked()[0] == "rollout"


def test_a_key_is_shown_once_and_the_journal_never_has_it(
    laid: Laid, open_page: Open, dialog_open: Dialog, carry_out: Callable[[], int], home: Home
):
    laid()
    dialog_open("key-add")
    app = opened(open_page, LORA, role="approver", part="Keys")
    app.text_input(key="key-name").set_value("billing").run()
    assert "The key is shown once" in said(app)
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    app.run()
    shown = [str(one.value) for one in app.code if str(one.value).startswith(store.KEY_PREFIX)]
    assert len(shown) == 1
    (made,) = [one for one in store.keys(state.journal()) if one.name == "billing"]
    assert made.hash == store.key_hash(shown[0])
    assert not holds(home.databases, shown[0]), "the key itself is in no database"
    app.button(key="acting-close").click().run()
    assert shown[0] not in words(app)


def holds(folder: Path, text: str) -> bool:
    return any(text.encode() in one.read_bytes() for one in folder.iterdir() if one.is_file())


def test_a_key_is_revoked(laid: Laid, open_page: Open, dialog_open: Dialog):
    laid()
    good = deployments_seed.keys()[0]
    dialog_open(f"key-revoke-{good.id}")
    app = opened(open_page, LORA, role="approver", part="Keys")
    assert "is refused (401)" in said(app)
    app.button(key="acting-do").click().run()
    assert asked() == ("api-key-revoke", f"Revoke the API key {good.id}", "pending")


def test_operators_make_no_keys(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, role="operator", part="Keys")
    assert app.button(key="key-add").disabled
    assert "approver" in app.button(key="key-add").help


def test_each_dialog_makes_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch, home: Home):
    from dashboard.deployments import keys

    held: dict[str, object] = {}
    monkeypatch.setattr(keys.st, "session_state", held)
    monkeypatch.setattr(actions, "opened", lambda: "one")
    first = keys._fresh()
    assert keys._fresh() == first
    monkeypatch.setattr(actions, "opened", lambda: "two")
    assert keys._fresh() != first
    assert AddApiKey("p", "n", first[0], first[2]).token_hash == store.key_hash(first[1])
