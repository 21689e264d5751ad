"""The evidence of tasks that ran on another machine: brought to where all other evidence is.

A task on a worker hands its evidence on as XCom ``evidence``. Airflow forgets it when the next try
begins, so it is fetched as soon as the try has ended.
"""

from pathlib import Path

import orjson

from services.engines.airflow.adapter import Airflow
from services.errors import PlatformError
from services.telemetry.folder import write_whole

KEY = "evidence"


def bring(
    airflow: Airflow, path: Path, dag_id: str, run_id: str, task_id: str, attempt: int,
    map_index: int = -1,
) -> bool:  # fmt: skip
    """Write the evidence of a try that ran elsewhere; return whether there is any now.

    Args:
        airflow: The engine.
        path: Where the evidence of this try belongs; a file that is there stays.
        dag_id: Its DAG.
        run_id: Its run.
        task_id: Its task.
        attempt: Which try.
        map_index: Of a mapped task; -1 otherwise.

    Raises:
        EngineError: Airflow does not answer.
        PlatformError: It cannot be written.
    """
    if path.exists():
        return True
    said = airflow.xcom(dag_id, run_id, task_id, KEY, map_index)
    # What an earlier try left is no evidence of this one.
    if not isinstance(said, dict) or said.get("try") != attempt:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, orjson.dumps(said, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise PlatformError(
            f"{path} could not be written: {error.strerror or error}.",
            "Free some space and see that the folder can be written.",
        ) from error
    return True
