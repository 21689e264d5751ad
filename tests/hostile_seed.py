"""A project in which everything a person can name is made of HTML, markdown, icons and formulas."""

from services.actions import audit
from services.actions.journal import Journal
from services.engines.mlflow.models import Metric, Model, Point, TrackedRun, Version
from services.mirror.events import now_ms
from services.mirror.store import Store

PROJECT = "hostile-project"
TEXT = (
    "<img src=x onerror=window.hit=1> <b>loud</b> **strong** :red[dyed] $\\int$ "
    "[link](javascript:window.hit=1) :material/skull: `code` # head <script>window.hit=1</script>"
)
MODEL = f"model {TEXT}"
METRIC = "loss <b>loud</b> **strong** :red[dyed] $x$ <img src=x onerror=window.hit=1>"
_HOUR_MS = 3_600_000


def run_id(index: int) -> str:
    return f"bad{index}".ljust(32, "0")


def fill(store: Store) -> None:
    """Write the project, three runs with curves, a model of two versions."""
    document = {
        "title": TEXT,
        "kind": "easy",
        "priority": 10,
        "path": f"/toolkit/{TEXT}",
        "reasons": [],
        "conformance": 0.5,
        "checks": [[TEXT, False, TEXT]],
        "primary_metric": METRIC,
        "goal": "max",
        "gates": {METRIC: ">= 0.9"},
    }
    store.write_project(PROJECT, "connected", document)
    broken = document | {"reasons": [TEXT], "title": f"broken {TEXT}"}
    store.write_project("broken:hostile", "broken", broken)
    store.write_runs(PROJECT, [_run(index) for index in range(3)])
    for index in range(3):
        for key in (METRIC, f"other {METRIC}"):
            store.extend_curve(run_id(index), key, [Point(0.1 * s, s, now_ms()) for s in range(9)])
    store.write_artifacts(run_id(0), [(TEXT.replace("/", "|"), False, 12)])
    now = now_ms()
    model = Model(MODEL, TEXT, now, now, {"champion": 1}, {"note": TEXT})
    versions = [
        Version(
            MODEL, n, run_id(n), now, "READY", TEXT, TEXT, {"mlops.technique": TEXT, TEXT: TEXT}
        )
        for n in (1, 2)
    ]
    store.write_registry(PROJECT, [model], versions)
    store.note("mirror.rebuilt", TEXT)


def note(journal: Journal) -> None:
    """Write an audit entry whose every part is hostile."""
    with journal.write() as connection:
        audit.append(connection, TEXT, TEXT, TEXT)


def _run(index: int) -> TrackedRun:
    started = now_ms() - (3 - index) * _HOUR_MS
    tags = {
        "mlops.project": PROJECT,
        "mlops.technique": TEXT,
        "mlops.host": TEXT,
        "mlops.chip": TEXT,
        "mlops.backend": TEXT,
        "mlops.git.commit": TEXT,
        "mlops.data.revision": TEXT,
        TEXT: f"{TEXT} {index}",
    }
    return TrackedRun(
        run_id=run_id(index),
        experiment_id="1",
        name=f"{index} {TEXT}",
        status="failed" if index == 2 else "finished",
        user=TEXT,
        started_ms=started,
        ended_ms=started + 60_000,
        deleted=False,
        artifact_uri=None,
        metrics={
            METRIC: Metric(0.5 + index / 10, 8, started),
            f"other {METRIC}": Metric(index, 8, started),
        },
        params={TEXT: f"{TEXT} {index}", "lr": f"0.{index}"},
        tags=tags,
    )
