"""``mlops backup`` and ``mlops restore`` of the journal, which nothing else could make again."""

from pathlib import Path

import click

from services.commands.output import sentences


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@sentences
def backup(*, target: Path) -> None:
    """Copy the journal to the new file TARGET, while everything goes on running.

    The file is the same whether the journal is in SQLite or in Postgres, and can be restored into
    either.
    """
    from services.actions.backup import backup as copy
    from services.actions.journal import Journal
    from services.platform.configuration import load_settings

    copy(Journal.open(load_settings()), target)
    click.echo(f"The journal was copied to {target} ({target.stat().st_size} bytes).")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do it without asking.")
@sentences
def restore(*, source: Path, yes: bool) -> None:
    """Put the backup SOURCE in the journal's place; the present one is kept beside it."""
    from services.actions.backup import restore as put_back
    from services.commands.acting import actor, controller_lives
    from services.errors import ConflictError
    from services.platform.configuration import load_settings

    if controller_lives():
        raise ConflictError("The platform runs.", "Run `mlops down` first.")
    if not yes:
        question = "Accounts and history go back to the backup, and everybody is signed out. Go on?"
        click.confirm(question, abort=True)
    aside = put_back(source, load_settings().journal_url, actor().name)
    click.echo(f"The journal is that of {source} now.")
    if aside is not None:
        click.echo(f"The one before it is kept as {aside}.")
