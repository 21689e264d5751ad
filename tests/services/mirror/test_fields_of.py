from mlops_client import registering, sending
from mlops_client.local import LOCAL_ID

from services.engines.mlflow.models import Metric
from services.mirror.fields import HIDDEN_TAGS
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.services.mirror.conftest import tracked


def test_what_some_runs_logged_is_told_with_counts_and_choices(store: Store, mirror: Mirror):
    runs = [tracked(number) for number in (1, 2, 3)]
    store.write_runs("p", [*runs, tracked(4, metrics={"other": Metric(1.0, 1, 1)})])
    found = {field.name: field for field in mirror.fields_of([run.run_id for run in runs])}
    assert found["metrics.loss"].kind == "number"
    assert found["metrics.loss"].runs == 3
    assert found["params.rank"].choices == ("0", "1", "2")
    assert found["params.note"].choices == ("a b",)
    assert "metrics.other" not in found


def test_many_values_are_no_choices_and_bookkeeping_is_left_out(store: Store, mirror: Mirror):
    runs = [
        tracked(n, params={"seed": str(n)}, tags={tag: str(n) for tag in HIDDEN_TAGS})
        for n in range(1, 40)
    ]
    store.write_runs("p", runs)
    found = {field.name: field for field in mirror.fields_of([run.run_id for run in runs])}
    assert found["params.seed"].choices == ()
    assert found["params.seed"].kind == "text"
    assert not [name for name in found if name.startswith("tags.")]
    assert not [field for field in mirror.fields() if field.name.startswith("tags.")]


def test_the_plumbing_of_the_client_is_hidden():
    assert {sending._PROBE, LOCAL_ID, registering._KEY} <= HIDDEN_TAGS


def test_no_runs_logged_nothing(mirror: Mirror):
    assert mirror.fields_of([]) == ()
