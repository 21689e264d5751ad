"""Tokens with which other machines send their samples: only their hashes are kept.

secrets/agents/NAME.json   {"sha256": …, "made_at": …}
               NAME.host   the machine that came with it first; made once, never overwritten
"""

import contextlib
import hashlib
import json
import os
import re
import secrets as randomness
import time
from dataclasses import dataclass
from pathlib import Path

from services.errors import ConflictError, DeniedError, InputError, NotFoundError, PlatformError
from services.telemetry.folder import write_whole

FOLDER = "agents"
"""In ``MLOPS_HOME/secrets``."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class AgentToken:
    """One token that was given out."""

    name: str
    made_at: float
    """Seconds since 1970."""
    host: str | None
    """The machine that uses it; None: none came with it yet."""


def fresh() -> tuple[str, str]:
    """Return a new token, and the hash of it that may be written down."""
    token = randomness.token_urlsafe(32)
    return token, _hash(token)


def make(folder: Path, name: str) -> str:
    """Return a new token; it is not kept and cannot be shown again.

    Raises:
        InputError: The name is none.
        ConflictError: There is a token of that name.
        PlatformError: It cannot be written.
    """
    token, hashed = fresh()
    add(folder, name, hashed)
    return token


def add(folder: Path, name: str, sha256: str) -> None:
    """Keep the hash of a token; the same one again is fine.

    Raises:
        InputError: The name is none.
        ConflictError: There is another token of that name.
        PlatformError: It cannot be written.
    """
    path = _named(folder, name)
    document = {"sha256": sha256, "made_at": time.time()}
    known = next((hashed for one, hashed in _read(folder) if one.name == name), None)
    if known == sha256:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if path.exists():
            raise taken(name)
        write_whole(path, json.dumps(document).encode())
    except OSError as error:
        raise PlatformError(
            f"{path} could not be written: {error.strerror or error}.",
            "Free some space, or look who owns the folder.",
        ) from error


def taken(name: str) -> ConflictError:
    """Return that a name has a token."""
    return ConflictError(
        f"There is a token {name} already, and it cannot be shown again.",
        f"`mlops hardware token {name} --revoke` ends it; then make a new one.",
    )


def check_name(name: str) -> None:
    """Let a name pass that a token can have.

    Raises:
        InputError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} is no name for a token.",
            "A name has up to 40 letters, digits, dots, hyphens or underscores.",
        )


def revoke(folder: Path, name: str) -> None:
    """End a token; the machine's history stays.

    Raises:
        InputError: The name is none.
        NotFoundError: There is no such token.
        PlatformError: It cannot be removed.
    """
    path = _named(folder, name)
    try:
        path.unlink()
        path.with_suffix(".host").unlink(missing_ok=True)
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no token {name}.", "`mlops hardware tokens` lists them."
        ) from None
    except OSError as error:
        raise PlatformError(
            f"{path} could not be removed: {error.strerror or error}.", "Look who owns the folder."
        ) from error


def listed(folder: Path) -> tuple[AgentToken, ...]:
    """Return all tokens, by name."""
    return tuple(token for token, _ in _read(folder))


class Tokens:
    """Whose token is whose, for who checks them; follows the folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it may come later."""
        self._folder = folder
        self._seen = 0
        self._by_hash: dict[str, AgentToken] = {}

    def holder(self, token: str) -> AgentToken | None:
        """Return whose a token is, None when it was never made or has ended."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except OSError:
            return None
        if changed != self._seen:
            self._by_hash = {hashed: one for one, hashed in _read(self._folder)}
            # What changes within a tick of the file system's clock is seen the next time.
            settled = time.time_ns() - changed > 100_000_000
            self._seen = changed if settled else 0
        return self._by_hash.get(_hash(token))

    def bind(self, token: AgentToken, host: str) -> None:
        """Let a token speak for a machine: the first that comes with it, and no other.

        Raises:
            DeniedError: It speaks for another one.
            ConflictError: Another token speaks for that machine.
            PlatformError: It cannot be noted.
        """
        bound = self._host_of(token)
        if bound == host:
            return
        if bound is not None:
            raise DeniedError(
                f"This token speaks for {bound} and not for {host}.",
                f"Make one for it: `mlops hardware token {host}`.",
            )
        other = next((one for one in self._by_hash.values() if one.host == host), None)
        if other is not None and other.name != token.name:
            raise ConflictError(
                f"{host} reports with the token {other.name} already.",
                f"`mlops hardware token {other.name} --revoke` ends that one.",
            )
        try:
            self._note(token.name, host)
        except OSError as error:
            raise PlatformError(
                f"The token {token.name} could not be given to {host}: {error.strerror or error}.",
                "Free some space on the machine that collects.",
            ) from error
        self._seen = 0

    def _host_of(self, token: AgentToken) -> str | None:
        return token.host or _host(self._folder / f"{token.name}.host")

    def _note(self, name: str, host: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        path = self._folder / f"{name}.host"
        handle = os.open(path, flags, 0o600)
        try:
            os.write(handle, host.encode())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)


def _named(folder: Path, name: str) -> Path:
    check_name(name)
    return folder / f"{name}.json"


def _read(folder: Path) -> list[tuple[AgentToken, str]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        # A damaged one lets nobody in; the list shows it as missing.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            document = json.loads(path.read_bytes())
            made_at, hashed = float(document["made_at"]), str(document["sha256"])
            token = AgentToken(path.stem, made_at, _host(path.with_suffix(".host")))
            found.append((token, hashed))
    return found


def _host(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
