"""Desired state, its history and API keys in the journal, in SQLite and on Postgres."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from services.actions import schema
from services.actions.journal import Journal
from services.errors import ConflictError, NotFoundError
from services.serving import history, store
from services.serving.models import Endpoint, Guards, Rollout, Target
from services.serving.store import ApiKey

NAME = "lora.net"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = Journal(url)
    yield journal
    journal.close()


def begin(journal: Journal, version: int, action: int = 1, **said: Any) -> Endpoint:
    rollout = Rollout(Target(version), action_id=action, actor="ana", **said)
    return store.put_rollout(journal, "lora", "net", rollout)


def end(journal: Journal, version: int, *, live: bool, said: str = "") -> Endpoint | None:
    return store.finish_rollout(journal, NAME, version, live=live, said=said)


def kinds(journal: Journal) -> list[tuple[str, int | None]]:
    return [(one.kind, one.version) for one in store.events(journal, NAME)]


# Endpoints


def test_what_is_wanted_comes_back_as_it_was_written(journal: Journal):
    assert store.endpoints(journal) == ()
    with pytest.raises(NotFoundError, match=r"lora\.net is not deployed"):
        store.endpoint(journal, NAME)
    guards = Guards(0.1, 5, None, 1.5, None, 2, 0.25)
    target = Target(3, 0, 4, "mlx", 1 << 30, "measured", 8, "champion")
    rollout = Rollout(target, "canary", 0.25, header=False, watch_s=9.5, guards=guards)
    written = store.put_rollout(journal, "lora", "net", rollout)
    assert written.rollout == rollout
    assert written.generation == 1
    assert store.endpoint(journal, NAME) == written == store.endpoints(journal)[0]
    store.put_rollout(journal, "clip", "m", rollout)
    assert [one.name for one in store.endpoints(journal)] == ["clip.m", "lora.net"]
    assert [one.name for one in store.endpoints(journal, ["lora"])] == ["lora.net"]
    assert store.endpoints(journal, []) == ()


def test_every_change_is_another_generation(journal: Journal):
    before = begin(journal, 1)
    after = store.change(journal, "lora", "net", lambda now: replace(now, pinned=True))
    assert (after.generation, after.pinned) == (before.generation + 1, True)
    assert after.changed_at >= before.changed_at

    def refuses(_: Endpoint) -> Endpoint:
        raise ConflictError("No.")

    with pytest.raises(ConflictError):
        store.change(journal, "lora", "net", refuses)
    assert store.endpoint(journal, NAME) == after


def test_one_rollout_at_a_time(journal: Journal):
    begin(journal, 1, action=5)
    begin(journal, 1, action=5, share=0.5)  # done again after a crash
    with pytest.raises(ConflictError, match="rollout of version 1 under way") as caught:
        begin(journal, 2, action=6)
    assert "--abort" in caught.value.hint


def test_a_rollout_ends_live_or_back(journal: Journal):
    begin(journal, 1)
    first = end(journal, 1, live=True, said="It answers.")
    assert first is not None
    assert (first.live, first.rollout) == (Target(1), None)
    begin(journal, 2, action=2)
    second = end(journal, 2, live=False, said="It was slow.")
    assert second is not None
    assert (second.live, second.rollout) == (Target(1), None)
    assert store.endpoint(journal, NAME) == second
    assert kinds(journal) == [("rolled-back", 2), ("live", 1)]
    newest = store.events(journal, NAME)[0]
    assert (newest.said, newest.action_id, newest.actor) == ("It was slow.", 2, "ana")


def test_a_first_rollout_that_fails_leaves_nothing(journal: Journal):
    begin(journal, 1)
    gone = end(journal, 1, live=False, said="It did not load.")
    assert gone is not None
    assert gone.live is None
    assert store.endpoints(journal) == ()
    assert kinds(journal) == [("failed", 1)]


def test_an_end_that_comes_late_changes_nothing(journal: Journal):
    assert end(journal, 1, live=True) is None
    begin(journal, 1)
    assert end(journal, 2, live=True) is None
    end(journal, 1, live=True)
    assert end(journal, 1, live=True) is None
    assert kinds(journal) == [("live", 1)]


def test_what_is_removed_is_gone_and_its_history_stays(journal: Journal):
    begin(journal, 1)
    end(journal, 1, live=True)
    store.remove(journal, NAME, said="By ana.", action_id=9, actor="ana")
    store.remove(journal, NAME, said="By ana.", action_id=9, actor="ana")
    assert store.endpoints(journal) == ()
    assert kinds(journal) == [("undeployed", None), ("live", 1)]
    again = begin(journal, 2, action=10)
    assert again.generation == 1


def test_many_at_once_lose_no_change(journal: Journal):
    begin(journal, 1)

    def more(now: Endpoint) -> Endpoint:
        return replace(now, idle_after_s=now.idle_after_s + 1)

    def often() -> None:
        for _ in range(10):
            store.change(journal, "lora", "net", more)

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.endpoint(journal, NAME)
    assert (found.idle_after_s, found.generation) == (940.0, 41)


def test_of_many_that_make_an_endpoint_one_rollout_is_begun(journal: Journal):
    outcomes: list[str] = []

    def one(number: int) -> None:
        try:
            begin(journal, number, action=number)
            outcomes.append("begun")
        except ConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["begun", *["refused"] * 5]


# History


def test_history_is_read_by_kind_action_and_place(journal: Journal):
    for number, kind in enumerate(("deploy", "canary", "live", "idle", "woken"), 1):
        store.record_event(
            journal, NAME, kind, f"said {number}", version=number, action_id=number % 2
        )  # type: ignore[arg-type]
    store.record_event(journal, "clip.m", "live", "another")
    found = store.events(journal, NAME)
    assert [one.said for one in found] == [f"said {n}" for n in (5, 4, 3, 2, 1)]
    assert [one.version for one in store.events(journal, NAME, kinds=("live", "idle"))] == [4, 3]
    assert [one.version for one in store.events(journal, NAME, action_id=1)] == [5, 3, 1]
    assert [one.version for one in store.events(journal, NAME, after=found[1].id)] == [5]
    assert len(store.events(journal, NAME, 2)) == 2
    other = store.events(journal, "clip.m")[0]
    assert (other.version, other.action_id, other.actor) == (None, None, "platform")
    assert abs(other.at - time.time()) < 3600


def test_versions_that_were_live_before(journal: Journal):
    for action, version in enumerate((1, 2, 1, 3, 2), 1):
        begin(journal, version, action=action)
        end(journal, version, live=version != 3)
    assert history.earlier_live(journal, NAME, 2) == (1,)
    assert history.earlier_live(journal, NAME, 1) == (2,)
    assert history.earlier_live(journal, NAME, None) == (2, 1)


def test_a_rollout_is_ended_by_whose_it_is_alone(journal: Journal):
    begin(journal, 1)
    wish = store.endpoint(journal, NAME).rollout
    assert wish is not None
    mine = wish.action_id or 0
    ended = store.finish_rollout(
        journal, NAME, 1, live=False, said="It was slow.", action_id=mine + 1
    )
    assert ended is None
    assert store.endpoint(journal, NAME).rollout == wish
    assert store.finish_rollout(journal, NAME, 1, live=True, said="", action_id=mine)


def test_a_change_brings_nothing_back_that_was_taken_out_of_service(journal: Journal):
    after = store.change(journal, "lora", "net", lambda now: replace(now, pinned=True))
    assert after.pinned
    assert store.endpoints(journal) == ()


# API keys


def key_of(name: str, project: str = "lora", **said: Any) -> tuple[ApiKey, str]:
    key_id, key, hashed = store.new_key()
    made = ApiKey(key_id, project, name, hashed, None, 10.0, 4, 1000.0, "ana")
    return replace(made, **said), key


def test_a_key_is_kept_by_its_hash_and_revoked_once(journal: Journal):
    kept, key = key_of("app", models=("net", "other"), expires_at=5000.5)
    store.add_key(journal, kept)
    store.add_key(journal, replace(kept, name="another"))  # done again after a crash
    assert store.keys(journal) == (kept,)
    assert store.key_id_of(key) == kept.id
    assert store.key_hash(key) == kept.hash
    assert store.revoke_key(journal, kept.id)
    assert not store.revoke_key(journal, kept.id)
    assert not store.revoke_key(journal, "nobody")
    ended = store.keys(journal)[0]
    assert ended.revoked_at is not None
    assert not ended.good(0)
    with journal.read() as connection:
        rows = [str(row) for row in connection.execute(schema.api_keys.select())]
    assert all(key not in row for row in rows)


def test_keys_are_of_projects(journal: Journal):
    mine, theirs = key_of("mine")[0], key_of("theirs", "clip", created_at=2000.0)[0]
    all_of = key_of("all", store.ALL_PROJECTS, created_at=3000.0)[0]
    for one in (mine, theirs, all_of):
        store.add_key(journal, one)
    assert store.keys(journal) == (all_of, theirs, mine)
    assert store.keys(journal, ["lora"]) == (mine,)
    assert store.keys(journal, []) == ()
    assert mine.opens("lora", "net")
    assert not mine.opens("clip", "net")
    assert all_of.opens("clip", "m")
    one = replace(mine, models=("net",))
    assert (one.opens("lora", "net"), one.opens("lora", "other")) == (True, False)
    assert replace(mine, models=()).opens("lora", "net") is False


def test_a_key_ends_at_its_time():
    one = key_of("app", expires_at=100.0)[0]
    assert (one.good(99.9), one.good(100.0)) == (True, False)
    assert key_of("app")[0].good(1e12)


@pytest.mark.parametrize(
    "text", ["", "mlk", "mlk_", "mlk_abc", "mlk_abc_", "abc_def_ghi", "mlk_" + "a" * 200 + "_x"]
)
def test_what_is_no_key_names_none(text: str):
    assert store.key_id_of(text) == ""
    store.key_hash(text + "\ud800")


def test_keys_are_long_and_never_alike():
    made = {store.new_key() for _ in range(50)}
    assert len({key for _, key, _ in made}) == 50
    assert all(len(key) >= 40 and key.startswith(f"mlk_{key_id}_") for key_id, key, _ in made)


# An older journal


def test_a_journal_of_before_serving_gets_its_tables(journal: Journal, url: str):
    with journal.write() as connection:
        for table in ("serving_endpoints", "serving_events", "api_keys"):
            connection.execute(text(f'DROP TABLE "{table}"'))
        connection.execute(text("UPDATE journal_meta SET value = '2' WHERE key = 'version'"))
    journal.close()
    older = Journal(url)
    try:
        begin(older, 1)
        assert store.endpoint(older, NAME).rollout is not None
        store.add_key(older, key_of("app")[0])
    finally:
        older.close()
