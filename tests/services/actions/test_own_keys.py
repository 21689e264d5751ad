"""The platform's own keys: of a person, a project and an hour; made anew when they do not count."""

import errno
import time
from dataclasses import replace

import pytest

from services.access import store as access
from services.actions import audit, own_keys
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.own_keys import LASTS_S, is_own, own_key
from services.actions.roles import Actor
from services.errors import DeniedError, NotFoundError, PlatformError
from services.home import Home
from services.serving import store
from services.serving.models import Rollout, Target

MIRA = Actor("mira", "operator", ("lora",))


@pytest.fixture
def here(context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Context:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    Home.locate().create()
    for name in ("mira", "ada"):
        access.insert(context.journal, name, "x", "operator", None)
    for project in ("lora", "clip"):
        store.put_rollout(context.journal, project, "net", Rollout(Target(1)))
    return context


def files() -> list[str]:
    return [path.name for path in Home.locate().secrets.iterdir()]


def test_it_is_made_once_a_person_and_project_and_readable_by_its_owner_alone(here: Context):
    key = own_key(here, MIRA, "lora")
    assert own_key(here, MIRA, "lora") == key
    (kept,) = store.keys(here.journal)
    assert (kept.hash, kept.created_by) == (store.key_hash(key), "mira")
    assert kept.opens("lora", "net")
    assert not kept.opens("clip", "net")
    assert kept.expires_at == kept.created_at + LASTS_S
    assert is_own(kept)
    (name,) = files()
    path = Home.locate().secrets / name
    assert path.stat().st_mode & 0o777 == 0o600
    others = [replace(MIRA, name="ada"), replace(MIRA, kind="os"), replace(MIRA, projects=None)]
    assert own_key(here, others[0], "lora") != key
    assert own_key(here, others[1], "lora") != key
    assert own_key(here, others[2], "lora") == key
    assert own_key(here, others[2], "clip") != key
    assert len(files()) == 4


def test_the_audit_says_who_may_have_asked_with_which(here: Context):
    key = own_key(here, MIRA, "lora")
    said = [one for one in audit.entries(here.journal) if one.what.startswith("api-key-own")]
    assert {(one.actor, one.project) for one in said} == {("mira", "lora")}
    assert store.key_id_of(key) in str([one.detail for one in said])
    assert store.key_hash(key) not in str(said)
    (deed,) = Executor(here).history()
    assert deed.state == "done"


def test_who_may_not_ask_gets_none_also_when_there_is_one(here: Context):
    own_key(here, MIRA, "lora")
    with pytest.raises(DeniedError):
        own_key(here, replace(MIRA, role="viewer"), "lora")
    with pytest.raises(DeniedError):
        own_key(here, replace(MIRA, projects=("clip",)), "lora")
    assert len(store.keys(here.journal)) == 1


def test_nothing_deployed_is_nothing_to_ask(here: Context):
    with pytest.raises(NotFoundError, match="no deployed model"):
        own_key(here, replace(MIRA, projects=None), "quant")
    assert files() == []


@pytest.mark.parametrize("left", ["revoked", "gone", "altered", "of another journal", "ending"])
def test_one_that_does_not_count_is_made_anew(
    here: Context, monkeypatch: pytest.MonkeyPatch, left: str
):
    key = own_key(here, MIRA, "lora")
    path = Home.locate().secrets / files()[0]
    if left == "revoked":
        store.revoke_key(here.journal, store.key_id_of(key))
    elif left == "gone":
        path.unlink()
    elif left == "ending":
        then = time.time() + LASTS_S - 60
        monkeypatch.setattr(own_keys.time, "time", lambda: then)
    else:
        path.write_text({"altered": f"{key}x", "of another journal": store.new_key()[1]}[left])
    other = own_key(here, MIRA, "lora")
    assert other != key
    assert own_key(here, MIRA, "lora") == other
    assert len(files()) == 1


def test_what_cannot_be_read_or_written_is_a_sentence(
    here: Context, monkeypatch: pytest.MonkeyPatch
):
    own_key(here, MIRA, "lora")
    path = Home.locate().secrets / files()[0]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PlatformError, match="cannot be read"):
        own_key(here, MIRA, "lora")
    path.unlink()

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(own_keys.tempfile, "mkstemp", full)
    with pytest.raises(PlatformError, match=r"cannot be written \(No space"):
        own_key(here, MIRA, "lora")
    assert files() == []
