"""Single sign-on: the file that configures it, and whether the identity provider answers.

``secrets/sign-on.toml`` in the home folder has one table, ``[auth]``, with Streamlit's keys.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from services.errors import EngineProtocolError, EngineUnreachableError, PlatformError
from services.home import Home

KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
CALLBACK = "/oauth2callback"
_SECRET_AT_LEAST = 32
_TIMEOUT_S = 3.0
_GUIDE = "See “Single sign-on” in README.md; then `mlops restart dashboard`."


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider, as far as we ask it ourselves."""

    metadata_url: str
    redirect_uri: str
    """Where it sends people back to; ``{port}`` in it is the dashboard's."""

    def origin(self, port: int) -> str:
        """Return the address of the dashboard that people must be on: cookies are of one host."""
        found = urlsplit(self.redirect_uri.replace("{port}", str(port)))
        return f"{found.scheme}://{found.netloc}"


def path(home: Home) -> Path:
    """Return where the configuration of single sign-on is, or would be."""
    return home.secrets / "sign-on.toml"


def read(home: Home) -> Provider | None:
    """Return the configured identity provider, None when there is none.

    Raises:
        PlatformError: The file is there and cannot be used.
    """
    file = path(home)
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: neither TOML nor text
        raise PlatformError(f"{file} cannot be read: {error}.", _GUIDE) from error
    section = written.get("auth")
    if not isinstance(section, dict):
        raise PlatformError(f"{file} has no table [auth].", _GUIDE)
    fault = _fault(section)
    if fault:
        raise PlatformError(f"{file}: {fault}.", _GUIDE)
    return Provider(section["server_metadata_url"], section["redirect_uri"])


def _fault(section: Mapping[str, object]) -> str:
    """Return what is wrong with the table, empty when nothing is."""
    missing = [key for key in KEYS if not (isinstance(section.get(key), str) and section[key])]
    if missing:
        return f"[auth] lacks {', '.join(missing)}"
    # Who guesses it signs in as anybody.
    if len(str(section["cookie_secret"])) < _SECRET_AT_LEAST:
        return f"cookie_secret is shorter than {_SECRET_AT_LEAST} characters"
    if _path(str(section["redirect_uri"]).replace("{port}", "1")) != CALLBACK:
        return f"redirect_uri is not the dashboard's address with {CALLBACK}"
    if not _path(str(section["server_metadata_url"])):
        return "server_metadata_url is not an http(s) address"
    return ""


def _path(url: str) -> str:
    """Return the path of an address, empty when it is none of the web."""
    try:
        found = urlsplit(url)
    except ValueError:
        return ""
    return found.path if found.scheme in {"http", "https"} and found.netloc else ""


def ask(provider: Provider) -> None:
    """Ask the provider for what it publishes about itself, as the sign-in will.

    Raises:
        EngineUnreachableError: It does not answer.
        EngineProtocolError: It answers something else.
    """
    import httpx

    hint = "Sign in with your password, or try again later. An admin finds more in `mlops doctor`."
    try:
        answer = httpx.get(provider.metadata_url, timeout=_TIMEOUT_S).raise_for_status().json()
    except httpx.HTTPStatusError as error:
        said = f"The identity provider answered with status {error.response.status_code}."
        raise EngineProtocolError(said, hint) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EngineUnreachableError("The identity provider does not answer.", hint) from error
    except ValueError as error:
        raise EngineProtocolError("The identity provider's answer is no JSON.", hint) from error
    if not isinstance(answer, dict) or "authorization_endpoint" not in answer:
        raise EngineProtocolError("The identity provider's answer names no sign-in page.", hint)
