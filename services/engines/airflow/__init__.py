"""Airflow: workflows, their runs, what waits and what it waits for."""
