"""Airflow DAGs of toolkit projects, made from one spec file a project.

``build`` and ``build_platform`` are what the generated files in the dags folder call. Airflow is
imported inside them: the process that watches a task (``runner``) must not pay for it.
"""

from typing import Any

__all__ = ["build", "build_own", "build_platform"]


def build(spec_path: str) -> dict[str, Any]:
    """Return the DAGs of one project by their ids.

    Raises:
        SpecError: The spec file is missing or broken; Airflow shows the sentence as import error.
    """
    from mlops_workflows.dags import project_dags

    return project_dags(spec_path)


def build_own(spec_path: str, file: str) -> dict[str, Any]:
    """Return the DAGs of a file of a project's own by their ids; it breaks nothing but itself.

    Raises:
        SpecError: The spec is broken, the file is not there, or a DAG in it is misnamed.
    """
    from mlops_workflows.dags import own_dags

    return own_dags(spec_path, file)


def build_platform(specs_folder: str) -> dict[str, Any]:
    """Return the DAGs over all projects by their ids; a project with a broken spec is left out."""
    from mlops_workflows.compare import platform_dags

    return platform_dags(specs_folder)
