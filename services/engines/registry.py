"""Builds the engines from settings: the one composition root."""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from services.errors import EngineMissingError, PlatformError
from services.home import Home

if TYPE_CHECKING:
    import httpx

    from services.engines.airflow.adapter import Airflow
    from services.engines.airflow.edge import Edge
    from services.engines.mlflow.adapter import MLflow
    from services.settings import Settings


def platform_token(home: Home) -> str:
    """Return the token with which the platform itself speaks to MLflow.

    Raises:
        PlatformError: It was never made: the platform did not start yet.
    """
    path = home.secrets / "mlflow-platform.token"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise PlatformError(
            f"The platform's MLflow token is not readable at {path}.", "Run `mlops up` once."
        ) from error


@dataclass(frozen=True)
class Engines:
    """All engines of one installation, each made when it is first asked for."""

    home: Home
    mlflow_url: str
    timeout_s: float = 30.0

    @cached_property
    def mlflow(self) -> "MLflow":
        """Return MLflow."""
        import httpx

        from services.engines.mlflow.adapter import MLflow

        headers = {"Authorization": f"Bearer {platform_token(self.home)}"}
        timeout = httpx.Timeout(self.timeout_s, connect=2.0)
        return MLflow(httpx.Client(base_url=self.mlflow_url, headers=headers, timeout=timeout))


def read_ports(home: Path) -> dict[str, int]:
    """Return the ports the platform chose, by engine; empty before the first start."""
    import json

    try:
        ports = json.loads((home / "run" / "ports.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): int(port) for name, port in ports.items() if isinstance(port, int)}


def airflow_login(home: Home) -> tuple[str, str]:
    """Return as whom the platform itself speaks to its own Airflow: user and password.

    Raises:
        EngineMissingError: It was never made: the platform did not start Airflow yet.
    """
    import json

    path = home.secrets / "airflow-passwords.json"
    try:
        return "platform", str(json.loads(path.read_bytes())["platform"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineMissingError(
            f"The password for Airflow is not readable at {path}.", "Run `mlops up` once."
        ) from error


def build_airflow(home: Home, settings: "Settings", timeout_s: float = 30.0) -> "Airflow":
    """Return Airflow: the one the settings name, else our own on its remembered port."""
    from services.engines.airflow.adapter import Airflow

    return Airflow(_airflow_client(home, settings, timeout_s))


def build_edge(home: Home, settings: "Settings", timeout_s: float = 30.0) -> "Edge":
    """Return the workers of that Airflow."""
    from services.engines.airflow.edge import Edge

    return Edge(_airflow_client(home, settings, timeout_s))


def _airflow_client(home: Home, settings: "Settings", timeout_s: float) -> "httpx.Client":
    import httpx

    from services.engines.airflow.access import Access

    def theirs() -> tuple[str, str]:
        return settings.airflow_username, settings.airflow_password.get_secret_value()

    own = partial(airflow_login, home)
    port = read_ports(home.root).get("airflow", settings.airflow_port)
    return httpx.Client(
        base_url=settings.airflow_url or f"http://127.0.0.1:{port}",
        auth=Access(theirs if settings.airflow_url else own),
        timeout=httpx.Timeout(timeout_s, connect=2.0),
        # Airflow ends an idle connection after five seconds: we do first, so that none is used that
        # it is about to end.
        limits=httpx.Limits(keepalive_expiry=2.0),
        trust_env=False,  # a proxy of the environment is no way to 127.0.0.1, and a .netrc no login
    )


class _LateAirflow:
    """Airflow, met when it is first asked something: most actions and commands never do."""

    def __init__(self, home: Home, timeout_s: float) -> None:
        self._home = home
        self._timeout_s = timeout_s

    @cached_property
    def _met(self) -> "Airflow":
        from services.settings import Settings

        try:
            settings = Settings()
        except ValueError as error:  # pydantic's and TOML's
            raise PlatformError(
                f"The settings cannot be used: {error}.", "`mlops doctor` says which is wrong."
            ) from error
        if not settings.airflow_enabled:
            raise EngineMissingError(
                "Airflow is switched off in this installation, and with it all workflows.",
                "Set airflow_enabled to true, then `mlops up`.",
            )
        return build_airflow(self._home, settings, self._timeout_s)

    def __getattr__(self, name: str) -> object:
        return getattr(self._met, name)


def late_airflow(home: Home, timeout_s: float = 30.0) -> "Airflow":
    """Return Airflow, built when it is first asked something.

    Whatever it is asked raises ``EngineMissingError`` where it is switched off, ``PlatformError``
    where the settings cannot be used.
    """
    return cast("Airflow", _LateAirflow(home, timeout_s))


def build_engines(home: Home, mlflow_url: str = "", preferred_port: int = 5000) -> Engines:
    """Return the engines: the configured MLflow, else our own on its remembered port."""
    port = read_ports(home.root).get("mlflow", preferred_port)
    return Engines(home, mlflow_url or f"http://127.0.0.1:{port}")
