"""The shared cache and the shared remote: where they are, and DVC's configuration for them."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import EngineUnreachableError, InputError, PlatformError
from services.home import Home

SCHEMES = ("s3", "gs", "azure")
_MARK = "mlops-remote.id"


@dataclass(frozen=True, slots=True)
class Remote:
    """The one remote of an installation."""

    home: Home
    url: str = ""
    """``s3://BUCKET/PREFIX``, ``gs://…``, ``azure://…`` or a folder; empty is a folder at home."""
    options: Mapping[str, str] = field(default_factory=dict)
    """DVC's own options of that kind of remote, e.g. ``endpointurl``, ``profile``, ``region``."""

    @property
    def cache(self) -> Path:
        """The cache of all projects on this machine."""
        return self.home.root / "dvc" / "cache"

    @property
    def shown(self) -> str:
        """The remote as a person may read it: options hold secrets, the URL holds none."""
        return self.url or str(self.folder)

    @property
    def folder(self) -> Path | None:
        """The folder, when it is one."""
        if not self.url:
            return self.home.root / "dvc" / "remote"
        return None if "://" in self.url else Path(self.url).expanduser().absolute()

    @property
    def configured(self) -> bool:
        """Whether somebody chose it: then versions are sent there by themselves."""
        return bool(self.url)

    def check(self) -> None:
        """Refuse an address no remote can have.

        Raises:
            InputError: It is none.
        """
        scheme, separator, rest = self.url.partition("://")
        if separator and (scheme not in SCHEMES or not rest or "@" in rest):
            raise InputError(
                f"{scheme[:20]}://… is no remote for data.",
                "Set dvc_remote to s3://BUCKET/PREFIX, gs://…, azure://… or a folder; credentials "
                "go into dvc_remote_options or the environment, never into the address.",
            )
        for text in (self.url, *self.options, *self.options.values()):
            if any(ord(sign) < 32 for sign in text) or "'" in text:
                raise InputError("The remote's settings have a line break or a quote.")

    def config(self) -> tuple[str, str]:
        """Return DVC's configuration, and the part of it nobody else may read.

        Raises:
            InputError: See ``check``.
        """
        self.check()
        shared = (
            "[core]\n    analytics = false\n    check_update = false\n    remote = shared\n"
            f"    site_cache_dir = {_quoted(self.home.root / 'dvc' / 'site')}\n"
            f"[cache]\n    dir = {_quoted(self.cache)}\n"
            '    type = "reflink,hardlink,copy"\n'
            f"['remote \"shared\"']\n    url = {_quoted(self.url or self.folder)}\n"
        )
        options = dict(self.options)
        if self.url.startswith("s3://"):
            options = {"connect_timeout": "5", "read_timeout": "60"} | options
        lines = "".join(f"    {name} = {_quoted(value)}\n" for name, value in options.items())
        return shared, f"['remote \"shared\"']\n{lines}" if lines else ""

    def ready(self) -> None:
        """Make sure that a remote folder is the one it was, and not an empty place of its name.

        A disk that is not mounted leaves an empty folder behind: sending there would fill the wrong
        disk, and say that all versions are safe.

        Raises:
            EngineUnreachableError: It is away.
        """
        folder = self.folder
        if folder is None:
            return
        known = self.home.root / "dvc" / "remote.id"
        wanted = _read(known)
        mark = folder / _MARK
        if wanted is None or wanted.partition("\n")[2] != str(folder):
            self._mark(folder, known)
        elif _read(mark) != wanted.partition("\n")[0]:
            raise EngineUnreachableError(
                f"The remote {folder} is away: the folder is not there, or is another one.",
                f"Mount it again. If its content is lost for good, delete {known}: then every "
                "version is sent anew.",
            )

    def away(self) -> str:
        """Return why a remote folder is not the one it was; empty when it is, or was never used.

        Nothing is written, and nothing is asked over a network of object stores.
        """
        folder = self.folder
        wanted = _read(self.home.root / "dvc" / "remote.id")
        if folder is None or wanted is None or wanted.partition("\n")[2] != str(folder):
            return ""
        if _read(folder / _MARK) == wanted.partition("\n")[0]:
            return ""
        return f"The folder {folder} is not there, or is another one: mount it again."

    def _mark(self, folder: Path, known: Path) -> None:
        try:
            if self.configured and not folder.parent.is_dir():
                raise FileNotFoundError(2, "no such folder", str(folder.parent))
            folder.mkdir(parents=True, exist_ok=True)
            number = _read(folder / _MARK) or secrets.token_hex(8)
            (folder / _MARK).write_text(number)
            known.parent.mkdir(parents=True, exist_ok=True)
            known.write_text(f"{number}\n{folder}")
        except OSError as error:
            raise EngineUnreachableError(
                f"The remote {folder} cannot be used: {error.strerror or error}.",
                "Mount it, or set dvc_remote to another place.",
            ) from error


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _quoted(value: object) -> str:
    text = os.fspath(value) if isinstance(value, Path) else str(value)
    if any(sign in text for sign in "\n\r\"'"):
        raise PlatformError(f"{text!r} has a quote or a line break: DVC cannot be told of it.")
    return f'"{text}"' if "," in text or "#" in text or text != text.strip() else text
