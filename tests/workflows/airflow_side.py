"""Run in Airflow's own environment: what Airflow makes of the generated files, as one JSON line.

``python airflow_side.py bag`` lists DAGs and import errors; ``… run DAG CONF [DAG CONF …]`` runs
DAGs with Airflow's own ``dag.test()`` and tells each task's state and what it answered.
"""

import json
import os
import re
import sys

WATCHED = re.compile(r"mlops://[\w/-]+")


def bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])


def listed() -> dict:
    from airflow.serialization.serialized_objects import DagSerialization

    found = bag()
    dags = {}
    for dag_id, dag in found.dags.items():
        again = DagSerialization.from_dict(DagSerialization.to_dict(dag))  # as the scheduler has it
        dags[dag_id] = {
            "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
            "params": {name: dag.params.get_param(name).serialize() for name in dag.params},
            "rules": sorted({type(task.weight_rule).__name__ for task in again.tasks}),
            "limits": {one.task_id: getattr(one, "timeout_s", None) for one in dag.tasks},
            "schedule": None if dag.schedule is None else str(dag.schedule),
            "assets": sorted(uri for uri in WATCHED.findall(str(dag.timetable.asset_condition))),
            "outlets": sorted(a.uri for task in dag.tasks for a in task.outlets),
        }
    return {"dags": dags, "errors": found.import_errors}


def ran(dag_id: str, conf: dict) -> dict:
    dag = bag().dags[dag_id]
    run = dag.test(run_conf=conf)
    tasks, answers = {}, {}
    for one in run.get_task_instances():
        name = one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]"
        tasks[name] = str(one.state)
        kept = one.xcom_pull(task_ids=one.task_id, map_indexes=one.map_index)
        skipped = one.xcom_pull(task_ids=one.task_id, key="skipped", map_indexes=one.map_index)
        answers[name] = kept if kept is not None else skipped
    return {"state": str(run.state), "run_id": run.run_id, "tasks": tasks, "answers": answers}


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    pairs = zip(rest[::2], rest[1::2], strict=True)
    answer = listed() if word == "bag" else [ran(dag, json.loads(conf)) for dag, conf in pairs]
    sys.stdout.write("\n@@" + json.dumps(answer, default=str))
