"""What is wrong with our own Airflow, and its mend."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from services.errors import MlopsError, PlatformError
from services.home import Home, toolkit_root
from services.platform import bootstrap
from services.platform.airflow_setup import revision
from services.platform.configuration import load_settings

if TYPE_CHECKING:
    from services.platform.doctor import Finding

SAFE_FROM = "3.3.2"
"""Below it are known vulnerabilities."""
_MEND = "`mlops up` makes it; `mlops restart airflow` does when everything else runs already."


def airflow(home: Home) -> Iterator["Finding"]:
    """Look at Airflow's own environment, its version and its database."""
    from services.platform.doctor import Finding

    try:
        settings = load_settings()
    except MlopsError:
        return  # said by the check of the settings
    if not settings.airflow_enabled or settings.airflow_url:
        return
    root = toolkit_root()
    folder = bootstrap.environment(root, "airflow")
    if not bootstrap.is_current(root, "airflow"):
        meaning = f"Its environment {folder} is missing, or older than requirements/airflow.txt."
        yield Finding("warning", "Airflow", meaning, _MEND)
        return
    try:
        # A Postgres is looked at by the check of the databases.
        found = None if settings.airflow_database else revision(home, "")
    except PlatformError as error:
        yield Finding("error", "Airflow", error.message, error.hint)
        return
    kept = f"; its database has revision {found}" if found else ""
    yield from _version(f"environment as pinned{kept}")


def _version(words: str) -> Iterator["Finding"]:
    from packaging.version import Version

    from services.platform.airflow import pinned_version
    from services.platform.doctor import Finding

    have = pinned_version()
    if have and Version(have) >= Version(SAFE_FROM):
        yield Finding("ok", "Airflow", f"{have} (safe from {SAFE_FROM}), {words}")
        return
    meaning = f"{have or 'no version'} is pinned; {SAFE_FROM} is the first without known holes."
    mend = "Pin apache-airflow anew in requirements/airflow.txt, then run `mlops up`."
    yield Finding("error", "Airflow", meaning, mend)
