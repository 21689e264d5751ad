"""``mlops run``: launch a project's training through Airflow."""

import click

from services.commands.launching import launch, note_option, param_option, wait_option
from services.commands.output import json_option, sentences


@click.command()
@click.argument("project")
@click.option("--workflow", default="train", show_default=True, help="Which of its workflows.")
@param_option
@note_option
@wait_option
@json_option
@sentences
def run(
    *, project: str, workflow: str, params: tuple[str, ...], note: str, wait: bool, as_json: bool
) -> None:
    """Launch a run of PROJECT through Airflow; with --wait stay until it ended."""
    launch(f"{project}.{workflow}", params, note, wait=wait, as_json=as_json)
