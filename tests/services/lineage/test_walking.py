"""Walks over the scene: the whole thread, either way, from anywhere on it."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from services.errors import InputError, NotFoundError
from services.home import Home
from services.lineage.models import Ref, ref_of
from services.lineage.walking import Limits
from services.predictions.folder import Folder
from services.serving import bundle, paths
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, FED, FEDERATED, LORA, NEXT, RETRAIN, RUN, TRAIN
from tests.services.lineage.conftest import Asker

V1 = f"{LORA}/{LORA}:1"
ONE_ROUND = [
    f"data:{DATA}", f"workflow:{TRAIN}/one", f"run:{RUN}", f"version:{V1}", f"bundle:{V1}",
    f"deployment:{V1}", f"predictions:{V1}", "verdict:v-1", "alert:a-1", "retraining:r-1",
    f"workflow:{RETRAIN}/two", f"run:{NEXT}", f"version:{LORA}/{LORA}:2",
]  # fmt: skip


def ref(text: str) -> Ref:
    found = ref_of(text)
    assert found is not None
    return found


def pairs(thread) -> set[tuple[str, str]]:
    return {(one.before.id, one.after.id) for one in thread.links}


@pytest.mark.parametrize("start", ONE_ROUND)
def test_the_whole_round_is_walked_from_every_thing_on_it(ask: Asker, start: str):
    thread = ask().thread(ref(start))
    found = {one.id for one in thread.nodes}
    assert set(ONE_ROUND) <= found
    assert set(pairwise(ONE_ROUND)) <= pairs(thread)
    assert not thread.unknown


def test_up_alone_is_what_it_came_from(ask: Asker):
    thread = ask().thread(ref(f"version:{V1}"), ("up",))
    assert {one.id for one in thread.nodes} == {
        f"data:{DATA}", f"workflow:{TRAIN}/one", f"run:{RUN}", f"version:{V1}",
    }  # fmt: skip


def test_down_alone_is_what_came_of_it(ask: Asker):
    found = {one.id for one in ask().thread(ref("alert:a-1"), ("down",)).nodes}
    assert f"version:{LORA}/{LORA}:2" in found
    assert "verdict:v-1" not in found


def test_without_monitoring_the_thread_ends_at_the_predictions(ask: Asker):
    thread = ask(watched=None).thread(ref(f"version:{V1}"), ("down",))
    assert thread.nodes[-1].id == f"predictions:{V1}"
    assert not thread.unknown


def test_monitoring_that_cannot_be_read_is_told_and_the_rest_is_walked(ask: Asker):
    thread = ask(watched=seed.Monitoring(fails=True)).thread(ref(f"run:{RUN}"))
    assert any("verdicts cannot be read" in said for said in thread.unknown)
    assert f"predictions:{V1}" in {one.id for one in thread.nodes}


def test_things_say_how_they_are(ask: Asker):
    nodes = {one.id: one for one in ask().thread(ref(f"run:{RUN}")).nodes}
    assert nodes[f"version:{V1}"].said == "champion"
    assert nodes[f"deployment:{V1}"].said == "live"
    assert nodes[f"deployment:{V1}"].live
    data = nodes[f"data:{DATA}"]  # both were tracked in one second or the next
    assert data.said == f"3 files, also in {LORA if data.project == CLIP else CLIP}"
    assert nodes[f"predictions:{V1}"].said.startswith("3 requests, ")
    on_way = nodes[f"deployment:{LORA}/{LORA}:2"]
    assert (on_way.said, on_way.live) == ("on its way", False)


def test_predictions_in_parquet_are_told_by_their_days(ask: Asker, home: Home):
    features = Folder(home).of_features(LORA, LORA, 1, "2026-03-01")
    features.mkdir(parents=True)
    Folder(home).of_features(LORA, LORA, 1, "2026-03-09").mkdir(parents=True)
    node = ask().node(ref(f"predictions:{V1}"))
    assert node.said == "2026-03-01 to 2026-03-09"
    assert node.at == datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def test_a_workflow_run_leads_to_what_it_set_off(ask: Asker):
    thread = ask().thread(ref(f"workflow:{TRAIN}/one"))
    assert (f"workflow:{TRAIN}/one", f"workflow:{LORA}.release/rel") in pairs(thread)
    back = ask().thread(ref(f"workflow:{LORA}.release/rel"), ("up",))
    assert f"workflow:{TRAIN}/one" in {one.id for one in back.nodes}


def test_federated_training_leads_from_a_clients_data_to_the_servers_version(ask: Asker):
    thread = ask().thread(ref(f"data:{seed.OTHER_DATA}"), ("down",))
    assert f"version:{FEDERATED}/{FEDERATED}:1" in {one.id for one in thread.nodes}
    assert (f"data:{seed.OTHER_DATA}", f"workflow:{FED}/round") in pairs(thread)


def test_a_version_that_was_live_earlier_says_so(ask: Asker):
    node = ask().node(ref(f"deployment:{LORA}/{LORA}:3"))
    assert (node.said, node.live) == ("no longer in service", False)


def test_a_person_of_one_project_sees_nothing_of_another(ask: Asker):
    thread = ask((LORA,)).thread(ref(f"data:{DATA}"))
    assert {one.project for one in thread.nodes} == {LORA, None}  # None: a run that is gone
    assert thread.hidden == 1
    text = str(thread.as_json())
    assert CLIP not in text
    assert seed.SHARED not in text


@pytest.mark.parametrize(
    "start", [f"run:{seed.SHARED}", f"version:{CLIP}/{CLIP}:1", f"data:{seed.OTHER_DATA}",
              f"workflow:{FED}/round", "run:0000"]
)  # fmt: skip
def test_what_is_of_another_project_is_as_if_it_were_not_there(ask: Asker, start: str):
    with pytest.raises(NotFoundError):
        ask((LORA,)).thread(ref(start))


@pytest.mark.parametrize("start", ["version:x", "deployment:a/b:x", "workflow:one"])
def test_an_id_that_names_nothing_of_its_kind_is_refused(ask: Asker, start: str):
    with pytest.raises(InputError):
        ask().thread(ref(start))


def test_a_walk_is_bounded_and_says_what_it_left_out(ask: Asker):
    few = ask().thread(ref(f"data:{DATA}"), limits=Limits(fan=1))
    left = next(one for one in few.more if one.ref.id == f"data:{DATA}")
    assert left.left == 2
    assert ask().thread(ref("predictions:" + V1), ("down",)).more[0].left == 29
    short = ask().thread(ref(f"data:{DATA}"), limits=Limits(nodes=4))
    assert len(short.nodes) == 4
    assert "4 things are shown" in short.more[-1].said
    near = ask().thread(ref(f"data:{DATA}"), ("down",), Limits(depth=1))
    assert any("1 steps" in one.said for one in near.more)


def test_runs_of_what_is_live_are_walked_first(ask: Asker):
    thread = ask((LORA,)).thread(ref(f"data:{DATA}"), ("down",), Limits(fan=1))
    runs = [one.id for one in thread.nodes if one.ref.kind == "run"]
    assert f"run:{RUN}" in runs  # NEXT is newer


# Broken links on the way


def broken(thread) -> dict[str, str]:
    return {one.missing: one.said for one in thread.broken}


def test_links_that_lead_nowhere_are_named_on_the_thread(ask: Asker, home: Home):
    lost = broken(ask().thread(ref(f"run:{seed.LOOSE}")))
    assert set(lost) == {f"data:{seed.LOST_DATA}", f"workflow:{TRAIN}/forgotten"}
    assert "no project's data repository" in lost[f"data:{seed.LOST_DATA}"]
    gone = ask().thread(ref(f"version:{LORA}/{LORA}:3"))
    assert f"run:{seed.GONE}" in broken(gone)
    assert f"data:{seed.OTHER_DATA}" in {one.id for one in gone.nodes}  # by its own tags
    assert "names no run" in broken(ask().thread(ref(f"version:{LORA}/{LORA}:4")))["run"]
    noted = broken(ask().thread(ref(f"workflow:{TRAIN}/one"), ("down",)))
    assert f"run:{seed.run_id(99)}" in noted
    (paths.bundle(home, LORA, LORA, 1) / bundle.INFO).unlink()
    packed = broken(ask().thread(ref(f"version:{V1}"), ("down",)))
    assert "its bundle is not on this disk" in packed[f"bundle:{V1}"]


def test_a_data_repository_that_cannot_be_read_makes_unknown_not_broken(ask: Asker, home: Home):
    head = home.root / "data" / LORA / ".git" / "refs" / "heads" / "main"
    head.write_text("0" * 40)
    thread = ask().thread(ref(f"run:{seed.LOOSE}"))
    data = next(one for one in thread.nodes if one.ref.kind == "data")
    assert data.state == "unknown"
    assert f"data:{seed.LOST_DATA}" not in broken(thread)
    assert any(LORA in said for said in thread.unknown)
