"""What engines write for each other comes back as it was, and what is broken is nothing."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.home import Home
from services.serving import figures, models, paths, routes, status
from services.serving.figures import Figures, VersionFigures
from services.serving.models import BundleInfo, Endpoint, Field
from services.serving.routes import Route, Routes, VersionRoute
from services.serving.status import ServingStatus

Seconds = st.floats(0, 4e9, allow_nan=False)
Words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
Names = st.text(string.ascii_lowercase + "-.", min_size=1, max_size=12)
Versions = st.integers(1, 10_000)
Shares = st.floats(0, 1, allow_nan=False)
Scalars = st.one_of(
    Words, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)

st.register_type_strategy(float, Seconds)
st.register_type_strategy(str, Words)
st.register_type_strategy(int, st.integers(0, 2**53))

Fields = st.builds(
    Field,
    shape=st.lists(st.integers(-1, 64), min_size=1, max_size=3).map(tuple),
    choices=st.lists(Scalars, max_size=3).map(tuple),
    example=st.one_of(st.none(), Scalars, st.lists(Scalars, max_size=3)),
)
Infos = st.builds(
    BundleInfo,
    inputs=st.lists(Fields, max_size=2).map(tuple),
    outputs=st.lists(Fields, max_size=2).map(tuple),
    fixed_batches=st.lists(st.integers(1, 64), max_size=3).map(tuple),
    example=st.dictionaries(Words, st.lists(Scalars, max_size=2), max_size=2),
)
Endpoints = st.builds(
    Endpoint,
    project=Names,
    model=Names,
    live=st.one_of(st.none(), st.builds(models.Target)),
    rollout=st.one_of(
        st.none(),
        st.builds(models.Rollout, target=st.builds(models.Target), guards=st.builds(models.Guards)),
    ),
)
VersionRoutes = st.builds(
    VersionRoute,
    version=Versions,
    info=Infos,
    replicas=st.lists(st.builds(routes.Replica), max_size=2).map(tuple),
)
OneRoute = st.builds(
    Route,
    name=Names,
    primary=Versions,
    shares=st.dictionaries(Versions, Shares, max_size=3),
    versions=st.lists(VersionRoutes, max_size=2).map(lambda all_of: {v.version: v for v in all_of}),
    shadow=st.one_of(st.none(), Versions),
    max_body_bytes=st.integers(1, 2**40),
)
AllRoutes = st.builds(
    Routes,
    serial=st.integers(0, 2**53),
    endpoints=st.lists(OneRoute, max_size=3).map(lambda all_of: {r.name: r for r in all_of}),
)
Statuses = st.builds(
    ServingStatus,
    endpoints=st.lists(
        st.builds(
            models.EndpointStatus,
            name=Names,
            versions=st.lists(
                st.builds(
                    models.VersionStatus,
                    replicas=st.lists(st.builds(models.ReplicaStatus), max_size=2).map(tuple),
                ),
                max_size=2,
            ).map(tuple),
            rollout=st.one_of(
                st.none(),
                st.builds(
                    models.RolloutStatus,
                    steps=st.lists(st.builds(models.RolloutStep), max_size=3).map(tuple),
                ),
            ),
        ),
        max_size=3,
    ).map(lambda all_of: {one.name: one for one in all_of}),
)
AllFigures = st.builds(
    Figures,
    endpoints=st.dictionaries(
        Names,
        st.lists(st.builds(VersionFigures, version=Versions), max_size=3).map(
            lambda all_of: {one.version: one for one in all_of}
        ),
        max_size=3,
    ),
)
Once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@Once
@given(AllRoutes)
def test_routes_come_back(home: Home, written: Routes):
    routes.write(home, written)
    assert routes.read(home) == written


@Once
@given(Statuses)
def test_status_comes_back(home: Home, written: ServingStatus):
    status.write(home, written)
    assert status.read(home) == written


@Once
@given(AllFigures)
def test_figures_come_back(home: Home, written: Figures):
    figures.write(home, written)
    found = figures.read(home)
    assert found == written
    assert found is not None
    assert found.of("nobody", 7) == VersionFigures(7)


@given(Infos)
def test_what_a_version_is_comes_back(written: BundleInfo):
    said = json.loads(json.dumps(written.as_json()))
    assert BundleInfo.from_json(said) == written
    assert BundleInfo.from_json({**said, "of a later version": 1}) == written


@given(Endpoints)
def test_what_is_wanted_comes_back(written: Endpoint):
    said = json.loads(json.dumps(written.as_json()))
    assert Endpoint.from_json(said, written.generation, written.changed_at) == written
    for part in filter(None, (said, said["live"], said["rollout"])):
        part["of a later version"] = 1
    assert Endpoint.from_json(said, written.generation, written.changed_at) == written


Readers = pytest.mark.parametrize("module", [routes, status, figures])


@Readers
@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"7", b'"x"', b"{}", b'{"v":2}', b'{"v":1}', b"\xff\xfe",
        b'{"v":1,"serial":1,"endpoints":[{}]}', b'{"v":1,"at":1,"pid":1,"endpoints":7}',
        b'{"v":1,"at":1,"pid":1,"serial":1,"endpoints":{"a":[{"version":"x"}]}}',
        b'{"v":1,"serial":1,"endpoints":[{"versions":[{"version":1}],"shares":[[1]]}]}',
        b'{"v":1,"at":1,"pid":1,"endpoints":[{"versions":null}]}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_nothing(home: Home, module: Any, content: bytes):
    module.path(home).write_bytes(content)
    assert module.read(home) is None


@Readers
def test_what_is_not_there_is_nothing(home: Home, module: Any):
    assert module.read(home) is None


@Readers
@given(cut=st.integers(0, 400))
@Once
def test_half_a_file_is_nothing_or_whole(home: Home, module: Any, cut: int):
    empty = {routes: Routes(1), status: ServingStatus(1.0, 2), figures: Figures(1.0, 2)}[module]
    module.write(home, empty)
    whole = module.path(home).read_bytes()
    module.path(home).write_bytes(whole[:cut])
    assert module.read(home) == (empty if cut >= len(whole) else None)


def test_a_document_is_published_whole(home: Home):
    target = home.root / "x.json"
    paths.publish(target, {"a": 1})
    before = target.read_bytes()
    with pytest.raises(TypeError):
        paths.publish(target, {"a": object()})
    assert target.read_bytes() == before
    assert [one.name for one in home.root.iterdir()] == ["x.json"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_is_old_is_stale():
    assert not ServingStatus(100.0, 1).stale(100.0 + status.STALE_S)
    assert ServingStatus(100.0, 1).stale(100.1 + status.STALE_S)
    assert not Figures(100.0).stale(100.0 + figures.STALE_S)
    assert Figures(100.0).stale(100.1 + figures.STALE_S)


def test_folders_are_ones_own(home: Home):
    found = paths.sockets(home)
    assert found.stat().st_mode & 0o777 == 0o700
    assert len(str(found / ("x" * 32))) < 100
    assert paths.sockets(Home(home.root / "other")) != found
    assert paths.wake(home).parent == paths.run(home)


@pytest.mark.parametrize("model", ["..", ".", "a/b", "../../x", "a\x00b", "ü m", "%2E"])
def test_no_name_of_a_model_leaves_the_bundles(home: Home, model: str):
    folder = paths.bundle(home, "lora", model, 3)
    assert folder.parent.parent == home.serving / "bundles" / "lora"
    assert ".." not in folder.parts
    assert "\0" not in str(folder)


def test_models_that_differ_in_capitals_have_folders_of_their_own_on_a_mac_too(home: Home):
    names = ["net", "Net", "NET", "%4eet", "%4Eet", "N" * 250, "N" * 249 + "n", "ſ", "s"]
    folders = {str(paths.bundle(home, "lora", name, 1)).casefold() for name in names}
    assert len(folders) == len(names)
    assert paths.bundle(home, "lora", "Net", 1).parent.name == "%4Eet"
    assert all(len(one.split("/")[-2]) <= 200 for one in folders)
