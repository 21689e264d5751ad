"""The databases the settings name on Postgres: whether they answer, and how large they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services import postgres
from services.errors import PlatformError

if TYPE_CHECKING:
    from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """What a Postgres server says of itself and of one database."""

    version: str
    database_bytes: int


def on_postgres(settings: "Settings") -> Iterator[tuple[str, str]]:
    """Yield (whose, URL) of each database that is on Postgres."""
    urls = {"mirror": settings.mirror_url, "journal": settings.journal_url}
    if not settings.mlflow_url:
        urls["MLflow"] = settings.mlflow_backend_store
    if settings.airflow_enabled and not settings.airflow_url:
        urls["Airflow"] = settings.airflow_database
    for name, url in urls.items():
        if url.startswith(f"{postgres.DRIVER}://"):
            yield name, url


def ask(url: str) -> Server:
    """Ask a server.

    Raises:
        PlatformError: It does not answer, or does not let us in.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    engine = postgres.open_engine(url, poolclass=NullPool)
    query = "SELECT current_setting('server_version'), pg_database_size(current_database())"
    try:
        with engine.connect() as connection:
            version, size = connection.execute(text(query)).one()
    except DBAPIError as error:
        sentence = f"{postgres.shown(url)} cannot be used ({postgres.said(error)})."
        raise PlatformError(sentence, postgres.hint(error)) from error
    return Server(str(version).partition(" ")[0], int(size))
