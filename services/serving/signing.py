"""Who made a bundle: Ed25519 over the exact bytes of its manifest, verified without asking anybody.

The key is made once for an installation. The private half signs and stays in the secrets' folder;
the public half is enough to verify.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from services.errors import BundleError
from services.home import Home

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT, ALGORITHM = 1, "ed25519"
PRIVATE, PUBLIC = "serving-signing.key", "serving-signing.pub"
LONGEST = 4096
"""Of a signature document and of a key file, bytes."""


def key_id(public: bytes) -> str:
    """Return the short name of a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def sign(home: Home, content: bytes) -> bytes:
    """Return the signature document of some bytes, with the key of this installation.

    Raises:
        BundleError: The key is there and cannot be read, or cannot be made.
    """
    key = _private(home)
    said = {
        "v": FORMAT,
        "algorithm": ALGORITHM,
        "key_id": key_id(_half(key)),
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
        "signature": base64.b64encode(key.sign(content)).decode(),
    }
    return orjson.dumps(said, option=orjson.OPT_INDENT_2)


def verify(home: Home, content: bytes, document: bytes) -> None:
    """Check that this installation's key signed exactly these bytes.

    Raises:
        BundleError: It did not, or the document says nothing that can be checked.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    said = _document(document)
    public = _public(home)
    if said["key_id"] != key_id(public):
        raise BundleError(
            f"The manifest was signed with the key {said['key_id'][:16]!r}, which is not the one "
            f"of this installation ({key_id(public)}).",
            "Nothing of it was read. Deploy the version again to build its bundle here.",
        )
    if said["manifest_sha256"] != hashlib.sha256(content).hexdigest():
        raise _altered()
    try:
        signature = base64.b64decode(said["signature"], validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (binascii.Error, ValueError, InvalidSignature) as error:
        raise _altered() from error


def public_key(home: Home) -> bytes:
    """Return the public half, 32 bytes; the key is made when there is none.

    Raises:
        BundleError: It cannot be read or made.
    """
    _private(home)
    return _public(home)


def _altered() -> BundleError:
    return BundleError(
        "The manifest is not what was signed: its signature does not fit.",
        "Nothing of it was read. Deploy the version again to build its bundle anew.",
    )


def _document(document: bytes) -> dict[str, Any]:
    wanted = ("key_id", "manifest_sha256", "signature")
    try:
        said = orjson.loads(document) if len(document) <= LONGEST else None
    except ValueError:
        said = None
    if (
        not isinstance(said, dict)
        or (said.get("v"), said.get("algorithm")) != (FORMAT, ALGORITHM)
        or not all(isinstance(said.get(name), str) for name in wanted)
    ):
        raise BundleError(
            "The signature cannot be read.", "Deploy the version again to build its bundle anew."
        )
    return said


def _half(key: "Ed25519PrivateKey") -> bytes:
    return key.public_key().public_bytes_raw()


def _private(home: Home) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = home.secrets / PRIVATE
    try:
        if not path.exists():
            _make(home, path)
        key = Ed25519PrivateKey.from_private_bytes(_raw(path))
        _tell(home.secrets / PUBLIC, base64.b64encode(_half(key)) + b"\n")
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The signing key {path} cannot be used: {getattr(error, 'strerror', None) or error}.",
            "Put it back from a backup, or delete it: then a new one is made, and every bundle is "
            "built anew at its next deployment.",
        ) from error
    return key


def _make(home: Home, path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    home.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Ed25519PrivateKey.generate().private_bytes_raw()
    _put(path, base64.b64encode(made) + b"\n", 0o600)


def _tell(path: Path, content: bytes) -> None:
    """Write the public half unless it is there: it follows the private one."""
    if path.exists() and path.read_bytes() == content:
        return
    path.unlink(missing_ok=True)
    _put(path, content, 0o644)


def _put(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole unless somebody was faster: who makes it first, makes it for all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def _public(home: Home) -> bytes:
    path = home.secrets / PUBLIC
    try:
        return _raw(path)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The public key {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "It is made again from the private one when a version is deployed.",
        ) from error


def _raw(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = base64.b64decode(file.read(LONGEST).strip(), validate=True)
    if len(raw) != 32:
        raise ValueError("it does not hold 32 bytes")
    return raw
