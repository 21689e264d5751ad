"""The signing key is made once, and a signature stands for exactly the bytes that were signed."""

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.errors import BundleError
from services.home import Home
from services.serving import signing


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_what_was_signed_verifies_and_nothing_else_does(home: Home):
    document = signing.sign(home, b"content")
    signing.verify(home, b"content", document)
    for other in (b"content ", b"Content", b""):
        with pytest.raises(BundleError, match="not what was signed"):
            signing.verify(home, other, document)


def test_the_key_is_made_once_and_is_its_owners_alone(home: Home):
    first = signing.public_key(home)
    private = home.secrets / signing.PRIVATE
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700
    signing.sign(home, b"x")
    assert signing.public_key(home) == first
    assert sorted(path.name for path in home.secrets.iterdir()) == [
        signing.PRIVATE,
        signing.PUBLIC,
    ]


def test_many_that_make_the_key_at_once_have_one_key(home: Home):
    home.secrets.mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(lambda _: signing.sign(home, b"x"), range(24)))
    for document in signed:
        signing.verify(home, b"x", document)
    assert len({json.loads(document)["key_id"] for document in signed}) == 1


def test_only_the_public_half_is_needed_to_verify(home: Home):
    document = signing.sign(home, b"x")
    (home.secrets / signing.PRIVATE).unlink()
    signing.verify(home, b"x", document)


def test_another_installations_signature_is_refused(home: Home, tmp_path: Path):
    signing.sign(home, b"x")
    foreign = signing.sign(Home(tmp_path / "other"), b"x")
    with pytest.raises(BundleError, match="not the one of this installation"):
        signing.verify(home, b"x", foreign)


def test_a_foreign_signature_under_our_keys_name_is_refused(home: Home, tmp_path: Path):
    ours = json.loads(signing.sign(home, b"x"))
    foreign = json.loads(signing.sign(Home(tmp_path / "other"), b"x"))
    forged = json.dumps(ours | {"signature": foreign["signature"]}).encode()
    with pytest.raises(BundleError, match="does not fit"):
        signing.verify(home, b"x", forged)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"v": 2, "algorithm": "ed25519"}',
        b'{"v": 1, "algorithm": "none", "key_id": "", "manifest_sha256": "", "signature": ""}',
        b'{"v": 1, "algorithm": "ed25519", "key_id": 1, "manifest_sha256": "", "signature": ""}',
        b" " * 5000,
    ],
)
def test_a_signature_that_is_none_is_refused(home: Home, document: bytes):
    signing.sign(home, b"x")
    with pytest.raises(BundleError, match="cannot be read"):
        signing.verify(home, b"x", document)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "=" * 88])
def test_a_signature_of_another_length_is_refused(home: Home, signature: str):
    document = json.loads(signing.sign(home, b"x")) | {"signature": signature}
    with pytest.raises(BundleError, match="does not fit"):
        signing.verify(home, b"x", json.dumps(document).encode())


@pytest.mark.parametrize("content", [b"", b"no base64 !", b"QUJD\n"])
def test_a_key_that_cannot_be_read_is_a_sentence_and_is_left_as_it_is(home: Home, content: bytes):
    home.secrets.mkdir(parents=True)
    (home.secrets / signing.PRIVATE).write_bytes(content)
    with pytest.raises(BundleError, match="cannot be used"):
        signing.sign(home, b"x")
    assert (home.secrets / signing.PRIVATE).read_bytes() == content


def test_a_lost_public_half_is_made_again(home: Home):
    document = signing.sign(home, b"x")
    (home.secrets / signing.PUBLIC).unlink()
    with pytest.raises(BundleError, match="public key"):
        signing.verify(home, b"x", document)
    signing.sign(home, b"y")
    signing.verify(home, b"x", document)


def test_the_key_is_not_what_costs_the_command_line_its_start():
    code = "import services.serving.signing, sys; assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
