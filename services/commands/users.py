"""``mlops users``: accounts, roles and scopes."""

import secrets

import click

from services.commands.acting import act, context
from services.commands.output import json_option, print_json, print_table, sentences

_ROLE = click.Choice(["viewer", "operator", "approver", "admin"])


def _new_password(name: str) -> tuple[str, str]:
    from services.access import store

    password = secrets.token_urlsafe(15)
    return password, store.password_hash(name, password)


@click.group()
def users() -> None:
    """Users: add, list, set, disable, enable, reset-password."""


@users.command()
@click.argument("name")
@click.option("--role", type=_ROLE, required=True)
@click.option("--project", "projects", multiple=True, help="Scope; without it: all projects.")
@sentences
def add(*, name: str, role: str, projects: tuple[str, ...]) -> None:
    """Make an account; its password is printed once."""
    from services.access import store
    from services.actions.users import AddUser

    store.check_name(name)
    password, hashed = _new_password(name)
    act(AddUser(name, role, projects or None, hashed))
    click.echo(f"Password of {name}, shown this once: {password}")


@users.command("list")
@json_option
@sentences
def list_users(*, as_json: bool) -> None:
    """List the accounts."""
    from services.access import store

    found = store.everyone(context().journal)
    if as_json:
        keys = ("name", "role", "projects", "disabled")
        print_json([{key: getattr(user, key) for key in keys} for user in found])
        return
    rows = [
        [
            user.name,
            user.role,
            "all" if user.projects is None else ", ".join(user.projects) or "none",
            "disabled" if user.disabled else "",
        ]
        for user in found
    ]
    print_table(["user", "role", "projects", ""], rows, "There is no user: `mlops up` makes one.")


@users.command("set")
@click.argument("name")
@click.option("--role", type=_ROLE)
@click.option("--project", "projects", multiple=True, help="The new scope.")
@click.option("--all-projects", is_flag=True)
@sentences
def set_user(*, name: str, role: str | None, projects: tuple[str, ...], all_projects: bool) -> None:
    """Change role or scope; the person's sessions end."""
    from services.actions.users import ChangeUser

    act(ChangeUser(name, role, projects or None, all_projects))


@users.command()
@click.argument("name")
@sentences
def disable(*, name: str) -> None:
    """Keep a person out, at once."""
    from services.actions.users import ChangeUser

    act(ChangeUser(name, disabled=True))


@users.command()
@click.argument("name")
@sentences
def enable(*, name: str) -> None:
    """Let a person in again."""
    from services.actions.users import ChangeUser

    act(ChangeUser(name, disabled=False))


@users.command("reset-password")
@click.argument("name")
@sentences
def reset_password(*, name: str) -> None:
    """Give a new password, printed once; the person's sessions end."""
    from services.actions.users import ChangeUser

    password, hashed = _new_password(name)
    act(ChangeUser(name, password_hash=hashed))
    click.echo(f"Password of {name}, shown this once: {password}")
