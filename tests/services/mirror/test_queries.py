import contextlib
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.engines.mlflow.models import Metric, Model, Point, TrackedRun, Version
from services.errors import FilterError, InputError, NotFoundError
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.conftest import BOTH
from tests.services.mirror.conftest import BASE_MS, tracked


def ids(mirror: Mirror, **query: object) -> list[int]:
    return [int(row.run_id, 16) for row in mirror.runs(RunQuery(**query)).rows]  # type: ignore[arg-type]


def test_an_empty_mirror_answers_empty(mirror: Mirror):
    page = mirror.runs(RunQuery())
    assert (page.total, page.rows) == (0, ())
    assert mirror.models() == ()
    assert mirror.projects() == ()
    assert mirror.changes() == ()


def test_newest_first_by_default_and_paged(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(n) for n in range(1, 8)])
    assert ids(mirror, limit=3) == [7, 6, 5]
    assert ids(mirror, limit=3, offset=6) == [1]
    assert mirror.runs(RunQuery(limit=3, offset=6)).total == 7


def test_columns_bring_what_was_asked_for_and_no_more(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(4)])
    row = mirror.runs(RunQuery(columns=("metrics.loss", "params.rank", "metrics.none"))).rows[0]
    assert row.metrics == {"loss": 0.25}
    assert row.params == {"rank": "1"}
    assert row.tags == {}
    assert row.duration_s == 60.0


def test_sort_puts_missing_last_both_ways(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(1), tracked(2), tracked(3, metrics={})])
    assert ids(mirror, sort="metrics.loss") == [1, 2, 3]
    assert ids(mirror, sort="metrics.loss", descending=False) == [2, 1, 3]


def test_the_main_metric_sorts_project_by_project_best_first_missing_last(
    store: Store, mirror: Mirror
):
    # The folders' names give the projects their order.
    places = {"b": ("/01_b", "loss", "min"), "a": ("/02_a", "acc", "max"), "c": ("/03_c", None, "")}
    for project, (path, metric, goal) in places.items():
        document = {"path": path, "primary_metric": metric, "goal": goal}
        store.write_project(project, "connected", document)
    values = {1: 0.3, 2: 0.1, 3: math.nan, 4: 0.2, 5: math.inf}
    store.write_runs(
        "b", [tracked(n, metrics={"loss": Metric(v, 1, 0)}) for n, v in values.items()]
    )
    store.write_runs("a", [tracked(n, metrics={"acc": Metric(n / 10, 1, 0)}) for n in (6, 8, 7)])
    store.write_runs("a", [tracked(9, metrics={"loss": Metric(0.0, 1, 0)})])
    store.write_runs("c", [tracked(10, metrics={"acc": Metric(1.0, 1, 0)})])

    assert ids(mirror, sort="main_metric") == [2, 4, 1, 5, 8, 7, 6, 10, 9, 3]
    assert ids(mirror, sort="main_metric", descending=False) == [5, 1, 4, 2, 6, 7, 8, 10, 9, 3]
    assert ids(mirror, sort="main_metric", project="a", limit=2) == [8, 7]


def test_another_main_metric_is_another_order(store: Store, mirror: Mirror):
    document = {"path": "/p", "primary_metric": "acc", "goal": "max"}
    store.write_project("p", "connected", document)
    store.write_runs("p", [tracked(n, metrics={"acc": Metric(float(n), 1, 0)}) for n in (1, 2)])
    assert ids(mirror, sort="main_metric") == [2, 1]

    store.write_project("p", "connected", document | {"goal": "min"})

    assert ids(mirror, sort="main_metric") == [1, 2]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metrics.loss < 0.4", [5, 4, 3]),
        ("params.rank = 1", [4, 1]),
        ("params.rank = 1.0", [4, 1]),
        ("params.rank >= 1", [5, 4, 2, 1]),
        ("params.rank in (0, 2)", [5, 3, 2]),
        ("technique = lora and not params.rank = 1", [5, 3]),
        ("run-3", [3]),
        ("name ~ RUN", [5, 4, 3, 2, 1]),
        ("name !~ 3", [5, 4, 2, 1]),
        ("technique != lora", [4, 2]),
        ("duration_s >= 60", [5, 4, 3, 2, 1]),
        ("started_at > 2100-01-01", []),
        ("started_at > -1h", []),
        ("params.note = 'a b'", [5, 4, 3, 2, 1]),
        ("metrics.none missing", [5, 4, 3, 2, 1]),
        ("metrics.none > 1", []),
        ("status in (failed, finished)", [5, 4, 3, 2, 1]),
        ("baseline = false", [5, 4, 3, 2, 1]),
    ],
)
def test_filters(store: Store, mirror: Mirror, query: str, found: list[int]):
    store.write_runs("p", [tracked(n) for n in range(1, 6)])
    assert ids(mirror, filter=query) == found


@pytest.mark.parametrize(
    "query", ["metrics.loss > high", "metrics.loss ~ 3", "started_at > soon", "duration_s = x"]
)
def test_what_cannot_be_compared_points_at_the_field(store: Store, mirror: Mirror, query: str):
    store.write_runs("p", [tracked(1)])
    with pytest.raises(FilterError) as caught:
        mirror.runs(RunQuery(filter=f"status = finished and {query}"))
    assert caught.value.position == len("status = finished and ")


def test_unknown_sort_field_and_page_are_refused(mirror: Mirror):
    with pytest.raises(InputError, match="no field"):
        mirror.runs(RunQuery(sort="colour"))
    with pytest.raises(InputError, match="page"):
        mirror.runs(RunQuery(limit=0))
    with pytest.raises(InputError, match="page"):
        mirror.runs(RunQuery(offset=-1))


def test_scope_by_project_time_and_archive(store: Store, mirror: Mirror):
    store.write_runs("a", [tracked(1), tracked(2, deleted=True)])
    store.write_runs("b", [tracked(3), tracked(4, status="running", ended_ms=None, started_ms=1)])
    assert ids(mirror, project="a") == [1]
    assert ids(mirror, project="a", archived=True) == [2]
    assert ids(mirror, projects=("b",)) == [3, 4]
    assert ids(mirror, project="a", projects=("b",)) == []
    after = datetime.fromtimestamp(BASE_MS / 1000, UTC) + timedelta(hours=2)
    assert ids(mirror, since=after) == [3, 4]


def test_the_newest_of_each_project_and_state_with_how_many_there_are(store: Store, mirror: Mirror):
    states = ("failed", "finished", "failed", "killed", "failed", "running")
    store.write_runs("p", [tracked(n, status=state) for n, state in enumerate(states, 1)])
    store.write_runs("q", [tracked(n, status="failed") for n in (7, 8)])

    found = mirror.newest_of_each(RunQuery(filter="status in (failed, killed)"))
    since = datetime.fromtimestamp(BASE_MS / 1000, UTC) + timedelta(days=900)

    assert sorted(
        (run.project, run.status, total, int(run.run_id, 16)) for total, run in found
    ) == [
        ("p", "failed", 3, 5),
        ("p", "killed", 1, 4),
        ("q", "failed", 2, 8),
    ]
    assert mirror.newest_of_each(RunQuery(filter="status = failed", projects=("r",))) == ()
    assert mirror.newest_of_each(RunQuery(filter="status = failed", since=since)) == ()


def test_a_changed_run_is_seen_by_columns_already_loaded(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(1), tracked(2)])
    assert ids(mirror, filter="metrics.loss >= 1") == [1]
    store.write_runs("p", [tracked(1, metrics={}), tracked(2, metrics={"loss": Metric(3, 1, 0)})])
    assert ids(mirror, filter="metrics.loss >= 1") == [2]
    assert ids(mirror, filter="metrics.loss missing") == [1]


RUNS = st.lists(
    st.builds(
        lambda loss, rank, status: (loss, rank, status),
        st.one_of(st.none(), st.floats(-5, 5), st.just(math.nan)),
        st.sampled_from(["1", "2", "10", "x"]),
        st.sampled_from(["finished", "failed"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=RUNS, second=RUNS, bound=st.floats(-5, 5))
def test_answers_are_those_of_a_plain_loop(
    url_factory: Callable[[], str], first: list, second: list, bound: float
):
    from services.mirror import schema

    url = url_factory()
    engine, _ = schema.prepare(url)
    store, mirror = Store(engine), Mirror(url)
    state: dict[int, TrackedRun] = {}
    for batch in (first, second):
        runs = []
        for number, (loss, rank, status) in enumerate(batch, 1):
            metrics = {} if loss is None else {"loss": Metric(loss, 1, 0)}
            runs.append(tracked(number, metrics=metrics, params={"rank": rank}, status=status))
        store.write_runs("p", runs)
        state |= {int(run.run_id, 16): run for run in runs}
        expected = [
            number
            for number, run in sorted(state.items(), reverse=True)
            if run.status == "finished"
            and "loss" in run.metrics
            and run.metrics["loss"].value > bound
        ]
        assert ids(mirror, filter=f"status = finished and metrics.loss > {bound!r}") == expected
    engine.dispose()
    mirror.engine.dispose()


@pytest.fixture(params=BOTH)
def url_factory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path_factory.mktemp('m') / 'mirror.sqlite'}"
        return
    server = request.getfixturevalue("cluster")
    with contextlib.ExitStack() as made:
        yield lambda: server.url(made.enter_context(server.database()))


def test_run_detail_knows_versions_made_from_it(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(1)])
    version = Version("m", 2, f"{1:032x}", BASE_MS, "READY", "", "s3://x", {"mlops.format": "f"})
    store.write_registry("p", [Model("m", "", 0, 0, {"champion": 2}, {})], [version])
    assert mirror.run(f"{1:032x}").versions == ("m:2",)
    model = mirror.model("p", "m")
    champion = model.with_alias("champion")
    assert champion is not None
    assert champion.metrics == {"loss": 1.0}
    assert champion.format == "f"
    with pytest.raises(NotFoundError, match="no registered model"):
        mirror.model("p", "other")
    with pytest.raises(NotFoundError, match="no run"):
        mirror.run("beef")


def test_the_feed_tells_starts_ends_and_aliases(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(1, status="running", ended_ms=None)])
    store.write_runs("p", [tracked(1)])
    store.write_runs("p", [tracked(1)])
    store.write_registry("p", [Model("m", "", 0, 0, {"champion": 1}, {})], [])
    store.write_registry("p", [Model("m", "", 0, 0, {"champion": 2}, {})], [])
    store.write_registry("p", [Model("m", "", 0, 0, {}, {})], [])
    kinds = [(c.kind, c.before, c.after) for c in reversed(mirror.changes())]
    assert kinds == [
        ("run.started", None, "running"),
        ("run.finished", "running", "finished"),
        ("alias.set", None, "1"),
        ("alias.set", "1", "2"),
        ("alias.removed", "2", None),
    ]


def test_a_lost_run_stays_lost_until_it_shows_a_new_sign(store: Store, mirror: Mirror):
    run = tracked(1, status="running", ended_ms=None, metrics={})
    store.write_runs("p", [run])
    store.mark_lost({run.run_id: "its last heartbeat is 4 min old"})
    store.write_runs("p", [run])
    shown = mirror.runs(RunQuery()).rows[0]
    assert (shown.status, shown.status_reason) == ("lost", "its last heartbeat is 4 min old")
    alive = tracked(1, status="running", ended_ms=None, metrics={"loss": Metric(1, 1, BASE_MS * 2)})
    store.write_runs("p", [alive])
    assert mirror.runs(RunQuery()).rows[0].status == "running"


def test_curves_grow_and_are_thinned_to_their_extremes(store: Store, mirror: Mirror):
    run_id = f"{1:032x}"
    store.extend_curve(run_id, "loss", [Point(float(i), i, i) for i in range(1000)])
    store.extend_curve(run_id, "loss", [Point(9999.0, 999, 5), Point(math.nan, 1000, 6)])
    assert store.curve_end(run_id, "loss") == 1000
    (curve,) = mirror.curves([run_id], ["loss"], max_points=50)
    assert curve.points_total == 1001
    assert len(curve.steps) <= 50
    assert curve.steps[0] == 0
    assert curve.steps[-1] == 1000
    assert 9999.0 in curve.values


def test_missing_curves_are_those_with_more_than_one_step(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(1), tracked(2, metrics={"loss": Metric(1.0, 0, 0)})])
    run_ids = [f"{n:032x}" for n in (1, 2)]
    assert mirror.missing_curves(run_ids, ["loss"]) == ((run_ids[0], "loss"),)


def test_five_thousand_metrics_in_one_run(store: Store, mirror: Mirror):
    many = {f"m{i}": Metric(float(i), 1, 0) for i in range(5000)}
    store.write_runs("p", [tracked(1, metrics=many), tracked(2)])
    assert len(mirror.run(f"{1:032x}").points) == 5000
    assert ids(mirror, sort="metrics.m4999") == [1, 2]
    assert sum(f.name.startswith("metrics.") for f in mirror.fields()) == 5001


def test_fields_tell_kind_count_and_choices(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(n) for n in range(1, 6)])
    found = {field.name: field for field in mirror.fields()}
    assert found["metrics.loss"].kind == "number"
    assert found["params.rank"].kind == "number"
    assert found["params.note"].choices == ("a b",)
    assert found["technique"].choices == ("full", "lora")
    assert found["metrics.loss"].runs == 5


def test_leaderboard_is_mean_and_interval_over_repeats(store: Store, mirror: Mirror):
    document = {"title": "P", "primary_metric": "acc", "goal": "max"}
    store.write_project("p", "connected", document)
    for number, (technique, value) in enumerate(
        [("lora", 0.9), ("lora", 0.8), ("full", 0.7), ("lora", math.nan)], 1
    ):
        tags = {"mlops.technique": technique}
        if technique == "full":
            tags["mlops.role"] = "baseline"
        metrics = {"acc": Metric(value, 1, 0)}
        store.write_runs("p", [tracked(number, tags=tags, metrics=metrics)])
    lora, full = mirror.leaderboard("p")
    assert (lora.technique, lora.runs, lora.best) == ("lora", 2, 0.9)
    assert lora.mean == pytest.approx(0.85)
    # t(0.975, 1) = 12.706; s = 0.0707; n = 2
    assert lora.low == pytest.approx(0.85 - 12.7062 * 0.0707107 / 2**0.5, abs=1e-4)
    assert (full.baseline, full.low, full.high) == (True, None, None)
    best = mirror.project("p").best
    assert best is not None
    assert (best.value, best.previous, best.baseline) == (0.9, None, 0.7)


def test_an_evaluation_is_no_result_of_its_technique(store: Store, mirror: Mirror):
    document = {"title": "P", "primary_metric": "acc", "goal": "max"}
    store.write_project("p", "connected", document)
    for number, value, role in ((1, 0.8, "candidate"), (2, 0.9, "evaluation")):
        tags = {"mlops.technique": "lora", "mlops.role": role}
        store.write_runs("p", [tracked(number, tags=tags, metrics={"acc": Metric(value, 1, 0)})])
    (row,) = mirror.leaderboard("p")
    assert (row.runs, row.mean) == (1, 0.8)
    best = mirror.project("p").best
    assert best is not None
    assert best.value == 0.8


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_replaced_file_is_noticed(store: Store, mirror: Mirror, url: str):
    from services.mirror import schema

    store.write_runs("p", [tracked(1)])
    assert mirror.runs(RunQuery()).total == 1
    store.engine.dispose()
    path = url.removeprefix("sqlite:///")
    for suffix in ("-wal", "-shm"):
        from pathlib import Path

        Path(path + suffix).unlink(missing_ok=True)
    Path(path).write_bytes(b"garbage" * 1000)
    engine, sentence = schema.prepare(url)
    assert "moved to" in sentence
    assert list(Path(path).parent.glob("quarantine/*"))
    Store(engine).write_runs("p", [tracked(2), tracked(3)])
    assert ids(mirror) == [3, 2]


def test_runs_per_day_leaves_no_day_out(store: Store, mirror: Mirror):
    store.write_runs("p", [tracked(1), tracked(2, status="failed")])
    since = datetime.fromtimestamp(BASE_MS / 1000, UTC)
    days = mirror.runs_per_day(since=since)
    assert sum(started for _, started, _ in days) == 2
    assert sum(failed for _, _, failed in days) == 1
    assert all((b[0] - a[0]).days == 1 for a, b in pairwise(days))
