"""Who uses a version: runs and registered versions by the tags they carry."""

from pathlib import Path

import pytest

from services.data.service import DataService
from services.engines.mlflow.models import TrackedRun, Version
from services.errors import PlatformError
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.services.data.conftest import Make, put

DATA, MODELS = "mlops.data.revision", "mlops.models.revision"


def run(number: int, *, deleted: bool = False, **tags: str) -> TrackedRun:
    return TrackedRun(
        run_id=f"{number:032x}",
        experiment_id="1",
        name=f"run-{number}",
        status="finished",
        user="mira",
        started_ms=1_000_000 + number,
        ended_ms=None,
        deleted=deleted,
        artifact_uri=None,
        metrics={},
        params={},
        tags={name.replace("__", "."): value for name, value in tags.items()},
    )


def registered(model: str, number: int, tags: dict[str, str]) -> Version:
    return Version(model, number, None, 0, "READY", "", "", tags)


@pytest.fixture
def store(tmp_path: Path) -> tuple[Store, Mirror]:
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    engine, _ = schema.prepare(url)
    return Store(engine), Mirror(url)


def test_runs_and_versions_are_told_by_the_revision_they_carry(
    service: DataService, project: Path, store: tuple[Store, Mirror]
):
    writer, mirror = store
    service.track(project, "data")
    writer.write_runs(
        "one",
        (
            run(1, mlops__data__revision="aaaa"),
            run(2, mlops__data__revision="bbbb", mlops__models__revision="mmmm"),
            run(3, mlops__data__revision="aaaa"),
            run(4, mlops__data__revision="aaaa", deleted=True),
            run(5),
        ),
    )
    versions = [registered("m", 1, {DATA: "aaaa"}), registered("m", 2, {DATA: "aaaa"})]
    writer.write_registry("one", [], [*versions, registered("n", 1, {MODELS: "mmmm"})])

    data = service.uses(mirror, "one", "data")
    assert data["aaaa"].runs == (f"{3:032x}", f"{1:032x}")  # the newest first, no archived one
    assert data["aaaa"].versions == (("one", "m", 2), ("one", "m", 1))
    assert (data["bbbb"].runs, data["bbbb"].versions) == ((f"{2:032x}",), ())
    models = service.uses(mirror, "one", "models")
    assert set(models) == {"mmmm"}
    assert models["mmmm"].versions == (("one", "n", 1),)


def test_another_project_counts_when_the_version_is_shared_with_it_and_may_be_seen(
    service: DataService, project: Path, make: Make, store: tuple[Store, Mirror]
):
    writer, mirror = store
    service.track(project, "data")
    other = make("two")
    put(other, data__a="x")
    service.track(other, "data")
    for number, name in ((1, "one"), (2, "two"), (3, "three")):
        writer.write_runs(name, (run(number, mlops__data__revision="aaaa"),))

    assert len(service.uses(mirror, "one", "data")["aaaa"].runs) == 1
    service.share("one", "two", "models", "ana")
    assert len(service.uses(mirror, "one", "data")["aaaa"].runs) == 1  # its models, not its data
    service.share("one", "two", "data", "ana")
    assert len(service.uses(mirror, "one", "data")["aaaa"].runs) == 2
    assert len(service.uses(mirror, "one", "data", ("one",))["aaaa"].runs) == 1
    assert service.uses(mirror, "one", "data", ()) == {}


def test_without_any_run_nobody_uses_it(service: DataService, project, store):
    service.track(project, "data")
    assert service.uses(store[1], "one", "data") == {}


def test_without_a_mirror_it_is_an_error_and_not_nobody(
    service: DataService, project: Path, tmp_path: Path
):
    service.track(project, "data")
    with pytest.raises(PlatformError):
        service.uses(Mirror(f"sqlite:///{tmp_path / 'none.sqlite'}"), "one", "data")
