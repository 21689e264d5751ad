"""Builds the engines from settings: the one composition root."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import PlatformError
from services.home import Home

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow


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


def build_engines(home: Home, mlflow_url: str = "", preferred_port: int = 5000) -> Engines:
    """Return the engines: the configured MLflow, else our own on its remembered port."""
    port = read_ports(home.root).get("mlflow", preferred_port)
    return Engines(home, mlflow_url or f"http://127.0.0.1:{port}")
