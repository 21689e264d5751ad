"""Whether files of this installation can be read, and what to do where one cannot."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from services.errors import MlopsError
from services.home import Home
from services.platform.configuration import load_settings
from services.platform.database_files import journal_fault, mlflow_fault

if TYPE_CHECKING:
    from services.platform.doctor import Finding


def state_files(home: Home) -> Iterator["Finding"]:
    """Look whether the supervisor's files can be read."""
    from services.platform.doctor import Finding

    for name in ("state.json", "ports.json"):
        path = home.run / name
        try:
            document = json.loads(path.read_bytes()) if path.exists() else {}
            broken = not isinstance(document, dict)
        except (OSError, ValueError):
            broken = True
        if broken:
            mend = "`mlops up` sets it aside and makes it anew; nothing else is lost."
            yield Finding("warning", name, f"{path} cannot be read.", mend)


def database_files(home: Home) -> Iterator["Finding"]:
    """Look whether the databases that cannot be made again can be read."""
    from services.platform.doctor import Finding

    journal = journal_fault(home.databases / "journal.sqlite")
    if journal:
        mend = "`mlops restore FILE` brings back a backup and keeps the present file beside it."
        yield Finding("error", "journal", journal, mend)
    fault = _mlflow_fault(home)
    if fault:
        what, _, mend = fault.partition("Nothing was changed. ")
        yield Finding("error", "MLflow's database", f"{what}Nothing was changed.", mend)
    if not journal and not fault:
        yield Finding("ok", "databases", "can be read, or are yet to be made")


def _mlflow_fault(home: Home) -> str:
    try:
        settings = load_settings()
    except MlopsError:
        return ""  # said by the check of the settings
    if settings.mlflow_url or settings.mlflow_backend_store or settings.mlflow_artifacts:
        return ""  # kept by somebody else
    return mlflow_fault(home.mlflow / "mlflow.db", home.mlflow / "artifacts")
