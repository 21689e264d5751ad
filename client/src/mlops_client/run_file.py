"""``MLOPS_RUN_FILE``: tells whoever started this process which runs it made."""

import json
import os
from pathlib import Path

VARIABLE = "MLOPS_RUN_FILE"


def note_run(path: str | None, run_id: str, experiment_id: str, project: str) -> None:
    """Append one line for a run that the server has; nothing when nobody asked or has gone."""
    if not path or not Path(path).parent.is_dir():
        return
    line = json.dumps({"run_id": run_id, "project": project, "experiment_id": experiment_id})
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)
