"""Numbers that are none, and very many of them, through a real MLflow."""

from typing import Any

import pytest

from tests.live import PROJECT, Platform, eventually

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(200)]
MANY = 5_000
STRANGE = """
import math
import mlflow

client = mlflow.MlflowClient()
client.create_registered_model("strange")
for name, value in {"is-nan": math.nan, "is-plus": math.inf, "is-minus": -math.inf, "is-good": 0.75}.items():
    with mlflow.start_run(run_name=name, tags={"mlops.technique": name, "strange": "yes"}) as run:
        mlflow.log_metric("val_accuracy", value)
    client.create_model_version("strange", run.info.artifact_uri, run_id=run.info.run_id)
"""  # noqa: E501 - a script
WIDE = """
import time
import mlflow
from mlflow.entities import Metric

with mlflow.start_run(run_name="wide") as run:
    metrics = [Metric(f"layer_{i:04}/norm", i / 5000, int(time.time() * 1000), 0) for i in range(5000)]
    for start in range(0, 5000, 1000):
        mlflow.MlflowClient().log_batch(run.info.run_id, metrics=metrics[start : start + 1000])
    print(run.info.run_id)
"""  # noqa: E501 - a script


@pytest.fixture(scope="module")
def strange(lab: Platform) -> dict[str, dict[str, Any]]:
    """The runs by name, as the mirror lists them when all have ended."""
    lab.run(lab.connected(PROJECT), STRANGE)

    def ended() -> list[dict[str, Any]] | None:
        rows = lab.runs("--filter", "tags.strange = yes and status = finished")
        return rows if len(rows) == 4 else None

    return {row["name"]: row for row in eventually(ended)}


def test_numbers_that_are_none_arrive_as_they_are(strange: dict[str, dict[str, Any]]):
    values = {name: str(row["metrics"]["val_accuracy"]) for name, row in strange.items()}
    assert {n: v.lower() for n, v in values.items()} == {
        "is-nan": "nan",
        "is-plus": "inf",
        "is-minus": "-inf",
        "is-good": "0.75",
    }


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ((), ["is-plus", "is-good", "is-minus", "is-nan"]),
        (("--ascending",), ["is-minus", "is-good", "is-plus", "is-nan"]),
    ],
)
@pytest.mark.usefixtures("strange")
def test_infinities_sort_at_their_ends_and_nan_last(
    lab: Platform, order: tuple[str, ...], names: list[str]
):
    rows = lab.runs("--filter", "tags.strange = yes", "--sort", "metrics.val_accuracy", *order)
    assert [row["name"] for row in rows] == names


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("metrics.val_accuracy > 0.5", {"is-plus", "is-good"}),
        ("metrics.val_accuracy < 0.5", {"is-minus"}),
        ("metrics.val_accuracy <= 0.75", {"is-minus", "is-good"}),
    ],
)
@pytest.mark.usefixtures("strange")
def test_nan_fits_no_bound(lab: Platform, asked: str, names: set[str]):
    rows = lab.runs("--filter", f"tags.strange = yes and {asked}")
    assert {row["name"] for row in rows} == names


def test_the_table_of_one_run_names_them(lab: Platform, strange: dict[str, dict[str, Any]]):
    for name, word in (("is-nan", "nan"), ("is-plus", "inf"), ("is-minus", "-inf")):
        said = lab.mlops("runs", "show", strange[name]["run_id"]).lower().replace("−", "-")
        assert f"{word}\n" in "\n".join(line.rstrip() + "\n" for line in said.splitlines())


@pytest.mark.parametrize(("version", "value"), [("1", "nan"), ("2", "inf"), ("3", "-inf")])
@pytest.mark.usefixtures("strange")
def test_a_registered_version_without_a_number_is_not_promoted(
    lab: Platform, version: str, value: str
):
    def there() -> object:
        listed = lab.shown("models", "list")
        return [m for m in listed if m["name"] == "strange" and len(m["versions"]) == 4]

    eventually(there)
    said = lab.mlops("models", "promote", "strange", version, "--yes", code=1)
    told = f"val_accuracy is {value}, which passes no gate; this one is >= 0.5."
    assert f"Error: Promote strange version {version} to champion: {told}" in said
    assert lab.shown("models", "show", "strange")["versions"][0]["aliases"] == []


def test_five_thousand_metrics_of_one_run_arrive(lab: Platform):
    run_id, warned = lab.run(lab.connected(PROJECT), WIDE)
    assert "buffered" not in warned
    lab.followed(run_id.splitlines()[0], "finished")
    metrics = lab.shown("runs", "show", run_id.splitlines()[0])["metrics"]
    assert metrics == {f"layer_{i:04}/norm": i / MANY for i in range(MANY)}
