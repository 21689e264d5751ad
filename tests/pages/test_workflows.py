"""The page of workflows: all, one, one run, as the app draws them over a real mirror."""

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import flows
from services.home import Home
from services.mirror.workflow_store import WorkflowStore
from services.settings import Settings
from tests import workflows_seed as seeded
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE

ONE = {"dag": seeded.TRAIN}
RUN = ONE | {"run": seeded.MADE}


def boxes(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.get("html"))


# Whoever looks, however the engines are


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["workflows", "airflow down"])
@pytest.mark.parametrize(
    ("query", "title"),
    [({}, "Workflows"), (ONE, "LoRA fine-tuning: train"), (RUN, "Run of LoRA fine-tuning: train")],
)
def test_the_page_draws_for_every_role_however_airflow_is(
    open_page: Open, role: str, mirror: str, query: dict[str, str], title: str
):
    app = open_page("workflows", role=role, mirror=mirror, **query)
    assert not app.exception
    assert app.title[0].value.replace("\\", "") == title
    away = "Airflow has not answered for" in said(app)
    assert away is (mirror == "airflow down")


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_without_any_workflow_it_says_where_they_come_from(open_page: Open, role: str):
    app = open_page("workflows", role=role, mirror="empty")
    assert not app.exception
    assert "No workflow yet" in said(app)
    assert "mlops projects add PATH" in said(app)


def test_a_project_without_a_workflow_is_pointed_to_its_check(open_page: Open):
    app = open_page("workflows", project="clip-finetuning")
    assert "No workflow of clip-finetuning yet" in said(app)
    assert "mlops projects check clip-finetuning" in said(app)


def test_a_mirror_that_is_not_there_is_a_sentence(open_page: Open):
    app = open_page("workflows", role="admin", mirror="none")
    assert not app.exception
    assert app.error or app.warning


def test_airflow_that_is_switched_off_is_said(open_page: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_AIRFLOW_ENABLED", "false")
    app = open_page("workflows", role="admin", mirror="workflows", **ONE)
    assert "Airflow is switched off" in app.info[0].value
    assert "switched off" in app.button(key="workflow-launch").help


# All of them


def test_each_workflow_tells_its_last_run_its_usual_and_its_next(open_page: Open):
    told = said(open_page("workflows", mirror="workflows"))
    for words in ("LoRA fine-tuning: train", "◔ running for ", "83 % of 12", "3 min 42 s",
                  "in 4 h", "on passed gates", "never ran", "13 workflows"):  # fmt: skip
        assert words in told, words
    assert told.index("LoRA fine-tuning: train") < told.index("Compare techniques")


def test_a_broken_file_is_told_with_its_cause_and_trace(open_page: Open):
    app = open_page("workflows", mirror="workflows")
    error = app.error[0].value.replace("\\", "")
    assert "mlops_dag_stable-diffusion.py makes no workflow" in error
    assert seeded.CAUSE in error
    assert "line 14, in build" in "\n".join(code.value for code in app.code)
    assert "✕ broken" in boxes(app)


def test_what_sets_off_what_is_one_flow(open_page: Open):
    drawn = boxes(open_page("workflows", mirror="workflows"))
    for name in ("retrain", "passed gates", "release"):
        assert name in drawn


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ({"find": "lora rel"}, "lora-finetuning.release", ">CLIP fine-tuning: train<"),
        ({"state": "paused"}, "clip-finetuning.train", "passed gates"),
        ({"kind": "federated"}, "federated-learning.federated", "federated-learning.train"),
        ({"project": "clip-finetuning"}, "clip-finetuning.train", "platform.compare"),
    ],
)
def test_the_list_is_narrowed_by_the_address(
    open_page: Open, query: dict[str, str], there: str, gone: str
):
    table = boxes(open_page("workflows", mirror="workflows", **query))
    assert there in table
    assert gone not in table


def test_a_list_without_a_hit_says_so(open_page: Open):
    assert "No workflow has what is looked for" in said(
        open_page("workflows", mirror="workflows", find="nothing like it")
    )


def test_the_range_holds_for_what_is_usual(open_page: Open):
    told = said(open_page("workflows", mirror="workflows", range="24h"))
    assert "100 % of 2" in told
    assert "in the last 24 hours" in told


def test_a_scoped_person_sees_their_projects_and_those_over_all(open_page: Open):
    app = open_page("workflows", mirror="workflows", projects=("clip-finetuning",))
    table = boxes(app)
    assert "clip-finetuning.train" in table
    assert "platform.compare" in table
    assert "lora-finetuning" not in table
    assert not app.error  # nor the fault of another project
    other = open_page("workflows", mirror="workflows", projects=("clip-finetuning",), **ONE)
    assert "There is no workflow" in other.error[0].value


# One of them


def test_one_workflow_tells_how_it_does_and_leads_to_its_runs(open_page: Open):
    app = open_page("workflows", mirror="workflows", **ONE)
    told = said(app)
    for words in ("Last run running", "Median 3 min 42 s", "Succeeded 83 %", "Next run by hand"):
        assert words in told, words
    drawn = boxes(app)
    assert f"dag={seeded.TRAIN}&amp;run={seeded.FAILED}&amp;task=train" in drawn
    assert "train: failed in 1 min 4 s, try 2" in drawn
    assert "All workflows" in said_links(app)


def test_all_its_runs_are_listed(open_page: Open):
    app = open_page("workflows", mirror="workflows", part="All runs", **ONE)
    table = app.dataframe[0].value
    assert len(table) == 13
    assert table.iloc[0]["run_id"] == seeded.RUNNING
    assert table.iloc[0]["who"] == "by omar"
    assert "epochs = 12" in table.iloc[0]["conf"]


def test_what_it_is_made_from_is_told(open_page: Open, home: Home):
    open_page("workflows", mirror="workflows")
    seeded.connect(Settings().mirror_url, home.root / "lora")
    app = open_page("workflows", mirror="workflows", part="Definition", **ONE)
    params, tasks, contract = (one.value for one in app.dataframe[:3])
    assert list(params["bounds"])[:3] == ["1 to 100", "1e-06 to 1", "adam, sgd, lion"]
    assert list(tasks["task"]) == list(seeded.STEPS)
    keys = dict(zip(contract["key"], contract["value"], strict=True))
    assert keys["gates"] == "val_accuracy >= 0.90"
    assert keys["memory_limit_gb"] == "8.00 GB"


def test_a_workflow_that_is_gone_keeps_its_runs(open_page: Open):
    open_page("workflows", mirror="workflows", role="admin")
    _store().keep_workflows({seeded.RELEASE})
    app = open_page("workflows", mirror="workflows", role="admin", **ONE)
    assert "Airflow has this workflow no more" in app.info[0].value
    assert "train-03" in boxes(app)
    assert "no more" in app.button(key="workflow-launch").help


def _store() -> WorkflowStore:
    return WorkflowStore(flows.reads()._mirror.engine)


def test_what_is_not_there_is_a_sentence(open_page: Open):
    app = open_page("workflows", mirror="workflows", dag="no.such")
    assert not app.exception
    assert "There is no workflow" in app.error[0].value


def test_a_run_that_is_not_there_yet_is_drawn_when_it_is(open_page: Open):
    app = open_page("workflows", mirror="workflows", **ONE, run="new")
    assert "this page looks for it" in app.info[0].value
    run = seeded.dag_run(seeded.TRAIN, "new", "queued", datetime.now(UTC))
    _store().write_runs([(seeded.LORA, run)], {})
    app.run()
    assert not app.info
    assert "No task of it is queued yet" in said(app)


# One run


def test_a_run_tells_its_tasks_and_what_it_made_and_set_off(open_page: Open):
    app = open_page("workflows", mirror="workflows", **RUN)
    told = said(app)
    for words in ("Took 3 min 42 s", "Tasks ended 5 of 5", "by mira", "What set off what"):
        assert words in told, words
    assert "lora-r8-1" in said_links(app)
    assert "lora-finetuning version 2" in said_links(app)
    assert f"run={seeded.RELEASED}" in boxes(app)
    tasks = app.dataframe[0].value
    assert list(tasks["task"]) == list(seeded.STEPS)
    assert tasks.iloc[1]["memory"] == "6.40 GB"


def test_what_a_release_was_set_off_by_is_followed_back(open_page: Open):
    app = open_page("workflows", mirror="workflows", dag=seeded.RELEASE, run=seeded.RELEASED)
    assert f"run={seeded.MADE}" in boxes(app)
    assert "set off by lora-finetuning.train" in said(app)


def test_a_failed_run_says_why_and_what_to_do(open_page: Open):
    app = open_page("workflows", mirror="workflows", dag=seeded.TRAIN, run=seeded.FAILED)
    error = app.error[0].value.replace("\\", "")
    assert "train failed." in error
    assert "It ended with exit code 1" in error
    assert "Log the metric that the contract names" in error
    typed = f"mlops workflows logs {seeded.TRAIN}/{seeded.FAILED} train"
    assert typed in [code.value for code in app.code]
    assert "**What to do**" in [one.value for one in app.markdown]


def test_a_mapped_task_is_told_part_by_part(open_page: Open):
    dag = f"{seeded.FEDERATED}.federated"
    app = open_page("workflows", mirror="workflows", dag=dag, run="fed-1")
    assert "client [3]" in boxes(app)
    assert list(app.dataframe[0].value["task"]) == [
        "server", "client[0]", "client[1]", "client[2]", "client[3]", "evaluate",
    ]  # fmt: skip


def test_a_run_of_mlflow_leads_to_the_task_that_made_it(open_page: Open):
    from tests import seed

    open_page("run", mirror="workflows")
    tag = {"mlops.task": f"{seeded.TRAIN}/{seeded.MADE}/train/1"}
    seed.tagged(Settings().mirror_url, seeded.LORA, 1, tag)
    app = open_page("run", mirror="workflows", run=seed.tagged_id(0))
    assert not app.exception
    link = next(one for one in app.page_link if "Task train of" in str(one.proto.label))
    assert link.proto.query_string == f"dag={seeded.TRAIN}&run={seeded.MADE}&task=train"
