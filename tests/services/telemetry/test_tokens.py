import os
import stat
import threading
from pathlib import Path

import pytest

from services.errors import ConflictError, DeniedError, InputError, NotFoundError, PlatformError
from services.telemetry import tokens
from services.telemetry.tokens import Tokens
from tests.small_disk import mounted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "agents"


def test_only_the_hash_of_a_token_is_kept_and_nobody_else_reads_it(folder):
    made = tokens.make(folder, "mac-b")
    assert len(made) >= 40
    assert made not in "".join(path.read_text() for path in folder.iterdir())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    holder = Tokens(folder).holder(made)
    assert holder is not None
    assert (holder.name, holder.host) == ("mac-b", None)


@pytest.mark.parametrize("token", ["", "wrong", "x" * 10_000, "é"])
def test_any_other_token_is_nobodys(folder, token):
    tokens.make(folder, "mac-b")
    assert Tokens(folder).holder(token) is None
    assert Tokens(folder / "none").holder(token) is None


def test_a_token_that_is_made_or_ended_meanwhile_is_known_at_once(folder):
    check = Tokens(folder)
    assert check.holder("x") is None
    first = tokens.make(folder, "a")
    assert check.holder(first)
    second = tokens.make(folder, "b")
    assert check.holder(second)
    tokens.revoke(folder, "a")
    assert check.holder(first) is None
    assert check.holder(second)


def test_a_token_made_within_one_tick_of_the_clock_is_known(folder):
    check = Tokens(folder)
    first = tokens.make(folder, "a")
    assert check.holder(first)
    before = folder.stat()
    second = tokens.make(folder, "b")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert check.holder(second)


def test_of_two_that_come_in_the_same_moment_the_second_is_sent_away(folder, monkeypatch):
    check, made = Tokens(folder), tokens.make(folder, "a")
    holder = check.holder(made)
    monkeypatch.setattr(check, "_host_of", lambda token: None)  # both looked before either wrote
    check.bind(holder, "mac-b")
    with pytest.raises(PlatformError):
        check.bind(holder, "mac-c")
    assert [one.host for one in tokens.listed(folder)] == ["mac-b"]


def test_a_token_speaks_for_the_machine_that_came_with_it_first(folder):
    check, made = Tokens(folder), tokens.make(folder, "b")
    check.bind(check.holder(made), "mac-b")
    check.bind(check.holder(made), "mac-b")
    with pytest.raises(DeniedError, match="speaks for mac-b and not for mac-c"):
        check.bind(check.holder(made), "mac-c")
    with pytest.raises(DeniedError):  # after a restart too
        Tokens(folder).bind(Tokens(folder).holder(made), "mac-c")
    assert [(one.name, one.host) for one in tokens.listed(folder)] == [("b", "mac-b")]


def test_two_tokens_do_not_speak_for_one_machine(folder):
    check = Tokens(folder)
    first, second = tokens.make(folder, "a"), tokens.make(folder, "b")
    check.bind(check.holder(first), "mac-b")
    with pytest.raises(ConflictError, match="reports with the token a already"):
        check.bind(check.holder(second), "mac-b")
    tokens.revoke(folder, "a")
    check.bind(check.holder(second), "mac-b")


def test_of_many_at_once_one_machine_gets_the_token(folder):
    made, won = tokens.make(folder, "a"), []

    def come(name: str) -> None:
        check = Tokens(folder)
        try:
            check.bind(check.holder(made), name)
        except (DeniedError, PlatformError):
            return
        won.append(name)

    threads = [threading.Thread(target=come, args=(f"mac-{n}",)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(won) == 1
    assert tokens.listed(folder)[0].host == won[0]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 41, "a b"])
def test_what_is_no_name_is_a_sentence(folder, name):
    for act in (tokens.make, tokens.revoke):
        with pytest.raises(InputError, match="no name for a token"):
            act(folder, name)


def test_a_name_is_given_once_and_an_unknown_one_cannot_end(folder):
    tokens.make(folder, "a")
    with pytest.raises(ConflictError, match="already"):
        tokens.make(folder, "a")
    with pytest.raises(NotFoundError, match="no token b"):
        tokens.revoke(folder, "b")


def test_a_damaged_file_lets_nobody_in_and_stops_no_other(folder):
    made = tokens.make(folder, "a")
    for number, content in enumerate((b"", b"[]", b"{}", b'{"sha256": 5}', b"\xff")):
        (folder / f"broken{number}.json").write_bytes(content)
    assert Tokens(folder).holder(made)
    assert [one.name for one in tokens.listed(folder)] == ["a"]


def test_on_a_full_disk_no_half_token_is_left(tmp_path):
    with mounted(tmp_path / "disk", "256k") as disk:
        folder = disk.path / "agents"
        made = tokens.make(folder, "a")
        disk.fill()
        with pytest.raises(PlatformError, match="could not be written"):
            tokens.make(folder, "b")
        check = Tokens(folder)
        assert [one.name for one in tokens.listed(folder)] == ["a"]
        disk.free()
        check.bind(check.holder(made), "mac-b")
