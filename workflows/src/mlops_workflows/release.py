"""The DAG ``release``: a version that passed its gates becomes a package that is known to work."""

from airflow.sdk import DAG, Param

from mlops_workflows.dags import asset, dag_of
from mlops_workflows.spec import Spec
from mlops_workflows.tasks import PlatformTask


def release(spec: Spec, spec_path: str) -> DAG:
    """Return the DAG: package → deploy → smoke test.

    A version that passed its gates sets it off; by hand it is launched with model and version.

    The smoke test also runs where nothing serves models and the deployment is skipped.
    """
    chosen = {
        "model": Param(None, title="Model", type=["null", "string"], maxLength=250),
        "version": Param(None, title="Version", type=["null", "integer"], minimum=1),
    }
    with dag_of(spec, "release", [asset(spec.project)], chosen) as dag:
        package = PlatformTask(task_id="package", spec=spec_path, step="package", events=True)
        deploy = PlatformTask(
            task_id="deploy", spec=spec_path, step="deploy", inputs_from=("package",)
        )
        smoke = PlatformTask(
            task_id="smoke",
            spec=spec_path,
            step="smoke",
            inputs_from=("package", "deploy"),
            memory_limited=True,
            trigger_rule="none_failed",
        )
        package >> deploy >> smoke
    return dag
