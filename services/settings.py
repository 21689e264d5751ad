"""One class of settings: ``MLOPS_*`` variables over ``MLOPS_HOME/settings.toml`` over defaults."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from services.home import Home, toolkit_root
from services.postgres import DRIVER, with_driver


class Settings(BaseSettings):
    """How this installation is set up."""

    model_config = SettingsConfigDict(
        env_prefix="MLOPS_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # URLs hold passwords
    )

    projects_root: Path = Field(default_factory=lambda: toolkit_root() / "projects")
    """The watched folder: a project that appears here is connected by itself."""

    mirror_url: str = ""
    """``postgresql://USER:PASSWORD@HOST/DATABASE``; empty is SQLite in the home folder."""

    journal_url: str = ""
    """The same for the journal."""

    mlflow_url: str = ""
    """An existing MLflow server; empty starts our own."""

    mlflow_backend_store: str = ""
    """Backend store of our own MLflow, e.g. ``postgresql://…``; empty is SQLite at home."""

    mlflow_artifacts: str = ""
    """Artifacts of our own MLflow, e.g. ``s3://bucket/prefix``; empty is a local folder."""

    airflow_enabled: bool = True
    """Without Airflow no workflow runs; everything else does."""

    airflow_url: str = ""
    """An existing Airflow (3.3 or newer); empty starts our own."""

    airflow_username: str = ""
    airflow_password: SecretStr = SecretStr("")
    """Who we are to that Airflow; it needs the rights to trigger DAGs and to set pools."""

    airflow_database: str = ""
    """Database of our own Airflow, ``postgresql://…``; empty is SQLite at home."""

    airflow_parallelism: int = Field(default=8, ge=1, le=512)
    """How many tasks our own Airflow runs at once, over all pools."""

    airflow_workers: bool = False
    """Whether other machines may take tasks of our own Airflow (``mlops worker``)."""

    airflow_listen: Literal["127.0.0.1", "0.0.0.0"] = "127.0.0.1"  # noqa: S104 - when it is asked for
    """Where our own Airflow listens; 0.0.0.0 is every network this machine is in, without TLS."""

    dvc_remote: str = ""
    """Where versions of data and models are sent: ``s3://BUCKET/PREFIX``, ``gs://…``, ``azure://…``
    or a folder on another disk; empty is a folder at home."""

    dvc_remote_options: dict[str, str] = Field(default_factory=dict)
    """DVC's options of that remote, e.g. ``{"endpointurl": "http://…", "profile": "team"}``."""

    dashboard_url: str = ""
    """Where people reach the dashboard from their own machines, e.g. ``https://mlops.example.org``:
    links in messages begin with it; empty: the address of single sign-on, if there is one."""

    dashboard_port: int = Field(default=8501, ge=1, le=65535)
    mlflow_port: int = Field(default=5000, ge=1, le=65535)
    airflow_port: int = Field(default=8080, ge=1, le=65535)
    """Preferred ports; a taken one is replaced by a free one, which is remembered."""

    sync_interval_s: float = Field(default=0.25, gt=0)
    discovery_interval_s: float = Field(default=5.0, gt=0)
    lost_after_s: float = Field(default=60.0, gt=0)
    """A run whose heartbeat is older than this is shown as lost."""

    lost_without_heartbeat_s: float = Field(default=1800.0, gt=0)
    """The same for a run that never sent a heartbeat, by its last metric."""

    telemetry_interval_s: float = Field(default=2.0, ge=2.0, le=60.0)
    """How often this machine is looked at; power counters move every 2.1 s on a Mac."""

    telemetry_port: int = Field(default=9470, ge=1, le=65535)
    """Preferred port of the Prometheus text and of the agents of other machines."""

    telemetry_listen: str = "127.0.0.1"
    """An address of this machine at which agents reach it; 0.0.0.0 is all of them."""

    telemetry_certificate: Path | None = None
    telemetry_key: Path | None = Field(default=None, validate_default=True)
    """PEM files: agents are then spoken to with TLS."""

    telemetry_full_days: float = Field(default=14.0, gt=0)
    """How long single samples of machines are kept; a sample that comes later is refused."""

    telemetry_process_days: float = Field(default=7.0, gt=0)
    """How long what single processes used is kept; by owner it is kept as long as minutes."""

    telemetry_minute_days: float = Field(default=90.0, gt=0)
    """How long telemetry is kept by the minute."""

    telemetry_days: float = Field(default=730.0, gt=0)
    """How long it is kept by ten minutes, and events with it."""

    serving_enabled: bool = True
    """Whether registered versions can be deployed: starts Ray, the gateway and the prediction
    log."""

    serving_ray_address: str = ""
    """An existing Ray cluster of which this machine is a node, e.g. ``127.0.0.1:6379``; empty
    starts our own. Its nodes need the resource ``unified_memory_mb``."""

    serving_ray_token: Path | None = None
    """File with the token of that cluster; our own Ray gets one of ours."""

    serving_memory_gb: float | None = Field(default=None, gt=0)
    """The most that all endpoints together may reserve; empty: what this machine offers to jobs."""

    serving_bundle_days: float = Field(default=30.0, gt=0)
    """How long bundle and bento stay of a version that nothing needs; it is packaged anew from the
    registry when it is deployed again."""

    gateway_port: int = Field(default=8090, ge=1, le=65535)
    """Preferred port of the gateway; a taken one is replaced by a free one, which is remembered."""

    gateway_listen: str = "127.0.0.1"
    """An address of this machine at which applications reach the gateway; 0.0.0.0 is all."""

    gateway_hosts: tuple[str, ...] = ()
    """Names under which applications may ask the gateway, beside those of this machine itself."""

    predictions_days: float = Field(default=90.0, gt=0)
    """How long predictions and feedback are kept."""

    evidently_enabled: bool = False
    """Whether Evidently's own screen runs beside the dashboard, over the reports of monitoring."""

    evidently_port: int = Field(default=8000, ge=1, le=65535)
    """Its preferred port, on this machine alone."""

    openlineage_to: str = ""
    """Where OpenLineage events go: a file, or an address that takes them, e.g.
    ``https://marquez.example/api/v1/lineage``; empty: nowhere."""

    openlineage_private: bool = False
    """Whether that address may be one of a private network or of this machine."""

    reports_days: float = Field(default=366.0, gt=0)
    """How long scheduled reports are kept; those that somebody asked for stay a week."""

    session_days: float = Field(default=7.0, gt=0)
    log_level: str = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the home folder's ``settings.toml`` under the environment."""
        del dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, Home.locate().root / "settings.toml")
        return init_settings, env_settings, toml

    @field_validator("mirror_url", "journal_url", "mlflow_backend_store", "airflow_database")
    @classmethod
    def _with_our_driver(cls, url: str) -> str:
        return with_driver(url)

    @field_validator("mirror_url", "journal_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite:///", f"{DRIVER}://")):
            raise ValueError(
                "it is neither sqlite:///PATH nor postgresql://USER:PASSWORD@HOST/NAME"
            )
        return _parsed(url)

    @field_validator("mlflow_backend_store")
    @classmethod
    def _apart_from_the_mirror(cls, url: str, info: ValidationInfo) -> str:
        if url and url == info.data.get("mirror_url"):
            raise ValueError("the mirror is in that database, and both keep a table `runs`")
        return url

    @field_validator("airflow_url")
    @classmethod
    def _an_http_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("it is no address, e.g. https://airflow.example")
        return url.rstrip("/")

    @field_validator("dashboard_url")
    @classmethod
    def _sent_to_people(cls, url: str) -> str:
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and url.isprintable()
        # It is in every message: a password or a token in it would be, too.
        if url and (not plain or "@" in parts.netloc or parts.query or parts.fragment):
            raise ValueError("it is no plain address, e.g. https://mlops.example.org")
        return url.rstrip("/")

    @field_validator("airflow_database")
    @classmethod
    def _of_its_own(cls, url: str, info: ValidationInfo) -> str:
        if url and not url.startswith(f"{DRIVER}://"):
            raise ValueError("it is not postgresql://USER:PASSWORD@HOST/NAME")
        for name in ("mirror_url", "journal_url", "mlflow_backend_store"):
            if url and url == info.data.get(name):
                raise ValueError(f"{name} is that database, and Airflow wants one of its own")
        return _parsed(url)

    @model_validator(mode="after")
    def _known_to_the_other_airflow(self) -> Self:
        if self.airflow_url and not (self.airflow_username and self.airflow_password):
            raise ValueError("airflow_url needs airflow_username and airflow_password")
        return self

    @model_validator(mode="after")
    def _coarse_outlives_fine(self) -> Self:
        days = self.telemetry_full_days, self.telemetry_minute_days, self.telemetry_days
        if tuple(sorted(days)) != days:
            raise ValueError(
                "telemetry must be kept the longer the coarser it is: telemetry_full_days ≤ "
                f"telemetry_minute_days ≤ telemetry_days, not {days[0]:g}, {days[1]:g}, {days[2]:g}"
            )
        return self

    @field_validator("telemetry_listen", "gateway_listen")
    @classmethod
    def _an_address(cls, address: str) -> str:
        import ipaddress

        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            raise ValueError("it is no IP address, e.g. 127.0.0.1 or 0.0.0.0") from None

    @field_validator("serving_ray_address")
    @classmethod
    def _a_cluster(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if address and not (host and port.isdigit()):
            raise ValueError("it is no address of a Ray cluster, e.g. 127.0.0.1:6379")
        return address

    @field_validator("telemetry_key")
    @classmethod
    def _key_with_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("telemetry_certificate") is None):
            raise ValueError("it and telemetry_certificate belong together; set both or none")
        return key

    @model_validator(mode="after")
    def _fill_urls(self) -> Self:
        databases = Home.locate().databases
        for name in ("mirror", "journal"):
            if not getattr(self, f"{name}_url"):
                url = f"sqlite:///{databases / f'{name}.sqlite'}"
                object.__setattr__(self, f"{name}_url", url)
        return self

    @property
    def serving_memory_bytes(self) -> int | None:
        """Return ``serving_memory_gb`` in bytes."""
        return None if self.serving_memory_gb is None else int(self.serving_memory_gb * 1024**3)


def _parsed(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        if url:
            make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "it is no URL; write special characters of a password as %XX (@ is %40, / is %2F)"
        ) from None
    return url
