"""What serving keeps: what is needed or was lately, and no more; never one in use."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from services.actions import own_keys, schema
from services.actions.journal import Journal
from services.errors import NotFoundError, PlatformError
from services.home import Home
from services.mirror.models import ModelVersion, RegisteredModel
from services.serving import bento, bundle, disk, history, keeping, paths, store
from services.serving.keeping import DAY_S, Keeping
from services.serving.models import EventKind, Rollout, Target
from services.serving.store import ApiKey
from services.workflows import packaging
from tests.conftest import BOTH
from tests.live import eventually
from tests.services.serving.packages import contract, good, package, project

NOW = 1_900_000_000.0
NAME = "toy.net"


@pytest.fixture(params=BOTH)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    if request.param == "postgres":
        url = str(request.getfixturevalue("postgres_url"))
    made = Journal(url)
    yield made
    made.close()


def registered(numbers: range, aliases: dict[int, str]) -> RegisteredModel:
    def one(number: int) -> ModelVersion:
        named = (aliases[number],) if number in aliases else ()
        return ModelVersion(
            "toy", "net", number, named, None, datetime.fromtimestamp(0, UTC), "READY", None, None,
            None, None, "", {}, {},
        )  # fmt: skip

    return RegisteredModel("toy", "net", "", tuple(one(number) for number in numbers))


@dataclass
class Place:
    """A home with bundles of ten versions, unused since 1970; all of them are registered."""

    home: Home
    journal: Journal
    folder: Path
    model: RegisteredModel | None = field(init=False)

    def __post_init__(self) -> None:
        self.model = registered(range(1, 11), {})
        self.keeping = Keeping(self.home, self.journal, self.find, 30.0)

    def find(self, project: str, name: str) -> RegisteredModel:
        if self.model is None or (project, name) != ("toy", "net"):
            raise NotFoundError("No such model.")
        return self.model

    def pack(self, version: int, used_at: float = 0.0) -> None:
        bundle.of_package(
            package(self.home, good(), version=version), self.home, self.folder, contract()
        )
        os.utime(paths.bundle(self.home, "toy", "net", version), (used_at, used_at))
        tag = bento.tag_for("toy", "net", version).replace(":", "/")
        stored = paths.bentos(self.home) / "bentos" / tag
        stored.mkdir(parents=True)
        (stored / "bento.yaml").touch()
        (stored.parent / "latest").write_text(str(version))

    def remove(self, *running: int, now: float = NOW) -> keeping.Removed:
        return self.keeping.remove({(NAME, version) for version in running}, now)

    @property
    def versions(self) -> set[int]:
        return {one.version for one in bundle.kept(self.home)}

    @property
    def bentos(self) -> set[int]:
        folder = paths.bentos(self.home) / "bentos" / "toy.net"
        return {int(one.name) for one in folder.iterdir() if one.is_dir()}

    def lived(self, version: int, action: int, at: float) -> None:
        """Have been live since a moment."""
        wish = Rollout(Target(version), action_id=action)
        store.put_rollout(self.journal, "toy", "net", wish)
        store.finish_rollout(self.journal, NAME, version, live=True, said="")
        with self.journal.write() as connection:
            connection.execute(schema.serving_events.update().values(at_ms=round(at * 1000)))


@pytest.fixture
def place(tmp_path: Path, journal: Journal) -> Place:
    home = Home(tmp_path / "home")
    home.create()
    return Place(home, journal, project(tmp_path / "toy"))


# Bundles and bentos


def test_what_is_needed_stays_with_its_bento_and_the_rest_goes(place: Place):
    for version in range(1, 11):
        place.pack(version)
    for action, version in enumerate((1, 2, 3, 4, 5, 6), 1):
        place.lived(version, action, NOW - 400 * DAY_S)
    store.put_rollout(place.journal, "toy", "net", Rollout(Target(7), action_id=9))
    place.model = registered(range(1, 11), {8: "challenger"})
    assert place.remove(9) == keeping.Removed(bundles=3, packages=10, lines=0, keys=0)
    # 6 is live, 5, 4 and 3 were before, 7 is on its way, 8 has an alias, 9 runs.
    assert place.versions == place.bentos == {3, 4, 5, 6, 7, 8, 9}
    latest = paths.bentos(place.home) / "bentos" / "toy.net" / "latest"
    assert not latest.exists()  # it named version 10; BentoML finds the newest by itself


def test_a_bundle_stays_for_a_while_after_it_was_needed_last(place: Place):
    place.pack(1)
    assert place.remove(1).bundles == 0  # a model server of it runs
    os.utime(paths.bundle(place.home, "toy", "net", 1), (NOW, NOW))  # now, by the clock here
    assert place.remove(now=NOW + 29 * DAY_S).bundles == 0
    assert place.remove(now=NOW + 31 * DAY_S).bundles == 1


def test_what_is_needed_counts_as_used(place: Place):
    place.pack(1)
    place.remove(1)
    (one,) = bundle.kept(place.home)
    assert abs(one.used_at - time.time()) < 60


def test_what_was_taken_out_of_service_lately_stays(place: Place):
    place.pack(1)
    place.lived(1, 1, NOW - 29 * DAY_S)
    store.remove(place.journal, NAME, said="", action_id=2, actor="ana")
    assert place.remove().bundles == 0
    os.utime(paths.bundle(place.home, "toy", "net", 1), (0, 0))
    assert place.remove(now=NOW + 2 * DAY_S).bundles == 1


def test_what_the_registry_does_not_have_is_not_removed(place: Place):
    place.pack(1)
    place.model = registered(range(2, 11), {})
    assert place.remove().bundles == 0
    place.model = None
    assert place.remove().bundles == 0
    assert place.versions == {1}


def test_a_registry_that_cannot_be_read_removes_nothing(
    place: Place, caplog: pytest.LogCaptureFixture
):
    def unreadable(project: str, name: str) -> RegisteredModel:
        raise PlatformError("The mirror cannot be read.")

    place.pack(1)
    one = Keeping(place.home, place.journal, unreadable, 30.0)
    one.turn([], NOW)
    one.close()
    assert place.versions == {1}
    assert "The mirror cannot be read." in caplog.text


def test_a_mistake_of_ours_is_logged_and_stops_nothing(
    place: Place, caplog: pytest.LogCaptureFixture
):
    place.pack(1)
    one = Keeping(place.home, place.journal, lambda *_: 1 / 0, 30.0)  # type: ignore[arg-type,return-value]
    one.turn([], NOW)
    one.close()
    assert "ZeroDivisionError" in caplog.text


def test_a_package_goes_when_no_release_used_it_for_a_while(place: Place):
    for version in (1, 2, 99):  # 99 is not in the registry: it may be the last copy
        folder = package(place.home, good(), version=version).folder
        os.utime(folder, (NOW - 31 * DAY_S,) * 2)
    os.utime(packaging.folder_of(place.home, "toy", "net", 2), (NOW - 29 * DAY_S,) * 2)
    assert place.remove().packages == 1
    assert {one.manifest["version"] for one, _ in packaging.kept(place.home)} == {2, 99}
    assert not list((place.home.root / "packages").glob("*/*/.*"))


def test_a_bundle_that_is_asked_for_at_that_moment_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    """Somebody deploys it after it was found unneeded, and before it goes."""
    place.pack(1)

    def meanwhile() -> str:
        bundle.of_package(
            bundle.packaging.read(  # type: ignore[arg-type]  # it is there
                bundle.packaging.folder_of(place.home, "toy", "net", 1)
            ),
            place.home,
            place.folder,
            contract(),
        )
        return ""

    monkeypatch.setattr(bento, "served", meanwhile)
    assert place.remove().bundles == 0
    assert place.versions == place.bentos == {1}


def test_one_that_cannot_be_removed_keeps_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    place.pack(1)
    place.pack(2)
    remove = bento.remove

    def refuses(home: Home, tag: str) -> bool:
        if tag == "toy.net:1":
            raise PlatformError("The disk is read-only.")
        return remove(home, tag)

    monkeypatch.setattr(bento, "remove", refuses)
    assert place.remove().bundles == 1
    assert place.versions == {1}
    assert "toy.net version 1 could not be removed: The disk is read-only." in caplog.text


def test_a_bundle_in_the_place_of_another_is_nobodys(place: Place):
    place.pack(1)
    folder = paths.bundle(place.home, "toy", "net", 1)
    folder.rename(folder.with_name("4"))
    (folder.parent / "5").mkdir()
    assert bundle.kept(place.home) == ()


def test_a_bento_that_is_served_stays(place: Place):
    place.pack(1)
    code = "import time; print('up', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, "bentoml", "serve", "toy.net:1"], stdout=subprocess.PIPE
    ) as served:
        try:
            assert served.stdout is not None
            assert served.stdout.readline() == b"up\n"
            assert place.remove().bundles == 0
        finally:
            served.kill()
    assert place.remove().bundles == 1


def test_it_looks_each_hour_beside_the_turns(place: Place, monkeypatch: pytest.MonkeyPatch):
    place.pack(1)
    place.pack(2)
    place.keeping.turn([], NOW)
    eventually(lambda: not place.versions)
    place.pack(3)
    place.keeping.turn([], NOW)
    place.keeping.close()
    assert place.versions == {3}  # an hour did not pass
    monkeypatch.setattr(keeping, "INTERVAL_S", 0.0)
    again = Keeping(place.home, place.journal, place.find, 30.0)
    again.turn([], NOW)
    again.close()
    assert place.versions == set()


def test_what_a_killed_removal_left_goes_the_next_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.pack(1)
    folder = paths.bundle(place.home, "toy", "net", 1)
    left = folder.with_name(".old-1-removed")
    deleted = disk.delete

    def killed(path: Path) -> None:
        if path == left and path.exists():
            raise KeyboardInterrupt
        deleted(path)

    monkeypatch.setattr(disk, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        place.remove()
    assert (folder.exists(), left.exists()) == (False, True)
    monkeypatch.undo()
    place.remove()
    assert not left.exists()


# History


def lines(
    journal: Journal, kind: EventKind, count: int, age_days: float, *, action: int | None = None
) -> None:
    row = {
        "at_ms": round((NOW - age_days * DAY_S) * 1000), "name": NAME, "version": 1, "kind": kind,
        "said": "", "action_id": action, "actor": "platform",
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(insert(schema.serving_events), [row] * count)


def count(journal: Journal, kind: EventKind) -> int:
    return len(store.events(journal, NAME, 10_000, (kind,)))


def test_a_crash_loop_keeps_its_newest_lines_alone(journal: Journal):
    lines(journal, "restarted", 1440, 1)
    newest = store.events(journal, NAME, 1)[0]
    assert history.prune(journal, NOW) == 440
    assert count(journal, "restarted") == history.MOST
    assert store.events(journal, NAME, 1) == (newest,)
    assert history.prune(journal, NOW) == 0


def test_old_everyday_lines_go_but_for_the_newest_of_their_kind(journal: Journal):
    lines(journal, "woken", 300, 100)
    lines(journal, "idle", 150, 1)
    assert history.prune(journal, NOW) == 200
    assert (count(journal, "woken"), count(journal, "idle")) == (history.NEWEST, 150)


def test_what_was_live_and_what_people_did_stays_for_ever(journal: Journal):
    for kind in ("live", "deploy", "rolled-back", "failed", "canary", "shadow", "undeployed"):
        lines(journal, kind, 150, 4000)
    lines(journal, "scaled", 1100, 4000, action=7)
    assert history.prune(journal, NOW) == 0


# Keys of the platform's own


def test_own_keys_go_a_week_after_they_ended_and_those_of_people_never(
    place: Place, journal: Journal
):
    mine = ApiKey("000000000001", "toy", "the platform, for ana", "h", None, 1.0, 1, 0.0, "ana")
    ended = replace(mine, expires_at=NOW - keeping.OWN_KEYS_S - 1)
    fresh = replace(mine, id="000000000002", expires_at=NOW - keeping.OWN_KEYS_S + 1)
    people = replace(ended, id="000000000003", name="shop")
    forged = replace(ended, id="000000000004", name="the platform, for bob")
    for one in (ended, fresh, people, forged):
        assert own_keys.is_own(one) == (one in {ended, fresh})
        store.add_key(journal, one)
    assert place.remove().keys == 1
    assert set(store.keys(journal)) == {fresh, people, forged}
    assert store.revoke_key(journal, fresh.id)
    assert place.remove(now=time.time() + keeping.OWN_KEYS_S + 60).keys == 1


def test_what_was_removed_is_told_in_the_log(place: Place, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "services.serving.keeping")
    place.pack(1)
    place.remove()
    assert "The bundle of toy.net version 1 was removed: nothing needs it." in caplog.text
