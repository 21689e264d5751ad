from typing import Any

from dashboard.experiments.columns import default_columns, found, moved, offered
from services.mirror.models import FieldInfo


def field(name: Any, runs: Any = 10, choices: Any = (), kind: Any = "choice"):
    return FieldInfo(name, kind, runs, tuple(choices))


FIELDS = (
    field("tags.mlops.technique", choices=("lora", "full")),
    field("metrics.val_accuracy", kind="number"),
    field("metrics.loss", kind="number"),
    field("params.rank", choices=("4", "8")),
    field("params.epochs", choices=("3",)),
    field("params.learning_rate", kind="number", runs=8),
    field("tags.mlops.git.commit", kind="text"),
)


def test_defaults_are_what_varies_and_the_primary_metric():
    shown = default_columns(FIELDS, ("metrics.val_accuracy",), several_projects=False)
    assert "metrics.val_accuracy" in shown
    assert "metrics.loss" not in shown
    assert "params.rank" in shown
    assert "params.learning_rate" in shown
    assert "params.epochs" not in shown
    assert "project" not in shown


def test_several_primary_metrics_share_one_column():
    shown = default_columns(FIELDS, ("metrics.a", "metrics.b"), several_projects=True)
    assert shown[0] == "project"
    assert "main_metric" in shown
    assert "metrics.a" not in shown


def test_only_a_few_parameters_are_shown_those_of_most_runs_first():
    many = tuple(field(f"params.p{i}", runs=i, choices=("1", "2")) for i in range(1, 30))
    shown = [n for n in default_columns(many, (), several_projects=False) if n.startswith("params")]
    assert shown == ["params.p29", "params.p28", "params.p27", "params.p26"]


def test_five_thousand_metrics_are_found_by_words_and_cut():
    many = tuple(field(f"metrics.layer_{i}/grad_norm", kind="number") for i in range(5_000))
    hits, total = found(many, "4999 norm")
    assert [hit.name for hit in hits] == ["metrics.layer_4999/grad_norm"]
    assert total == 1
    hits, total = found(many, "layer")
    assert len(hits) == 30
    assert total == 5_000


def test_an_exact_name_is_found_first_and_chosen_ones_are_left_out():
    fields = (field("metrics.loss_total", runs=99), field("metrics.loss", runs=1))
    assert found(fields, "loss")[0][0].name == "metrics.loss"
    assert [f.name for f in found(fields, "", without=["metrics.loss"])[0]] == [
        "metrics.loss_total"
    ]


def test_bookkeeping_tags_come_last():
    fields = (field("tags.mlflow.source.name", runs=99), field("tags.team", runs=1))
    assert found(fields, "")[0][0].name == "tags.team"


def test_fields_no_run_has_and_fixed_ones_are_not_offered():
    assert [f.name for f in offered((field("name"), field("metrics.a", runs=0), FIELDS[1]))] == [
        "metrics.val_accuracy"
    ]


def test_a_column_moves_as_far_as_it_goes():
    assert moved(("a", "b", "c"), "c", -1) == ("a", "c", "b")
    assert moved(("a", "b", "c"), "a", -1) == ("a", "b", "c")
    assert moved(("a", "b", "c"), "c", 5) == ("a", "b", "c")
    assert moved(("a", "b"), "z", 1) == ("a", "b")
