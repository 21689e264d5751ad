"""What engines and their processes are called where people read of them."""

from collections.abc import Mapping
from types import MappingProxyType

TITLES: Mapping[str, str] = MappingProxyType({
    "airflow": "Airflow", "airflow-dag-processor": "Airflow DAG processor",
    "airflow-scheduler": "Airflow scheduler", "airflow-triggerer": "Airflow triggerer",
    "airflow-worker": "Airflow worker", "controller": "Controller", "dashboard": "Dashboard",
    "evidently": "Evidently", "gateway": "Gateway", "mlflow": "MLflow",
    "predictions": "Predictions", "serving": "Serving", "telemetry": "Telemetry",
})  # fmt: skip
"""By the name under which the platform starts them."""


def title(name: str) -> str:
    """Return what an engine is called; of one that is not known its name, as a sentence begins."""
    return TITLES.get(name, f"{name[:1].upper()}{name[1:]}")
