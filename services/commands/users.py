"""``mlops users``: accounts of the dashboard, managed by the owner of the machine."""

from typing import TYPE_CHECKING

import click

from services.commands.output import json_option, print_json, print_table, sentences

if TYPE_CHECKING:
    from services.access import User
    from services.actions.records import ActionRecord

_ROLES = click.Choice(["viewer", "operator", "approver", "admin"])
_PASSWORD_BYTES = 15


def shape(user: "User") -> dict[str, object]:
    """Return an account in the documented JSON shape."""
    from datetime import UTC, datetime

    return {
        "name": user.name,
        "role": user.role,
        "projects": None if user.projects is None else list(user.projects),
        "disabled": user.disabled,
        "created_at": datetime.fromtimestamp(user.created_ms / 1000, UTC),
    }


@click.group()
def users() -> None:
    """Accounts: add, list, set, disable, enable, reset-password."""


@users.command("list")
@json_option
@sentences
def list_users(*, as_json: bool) -> None:
    """List the accounts."""
    from services.access import store
    from services.commands.acting import context

    found = [shape(user) for user in store.everyone(context().journal)]
    if as_json:
        print_json(found)
        return
    rows = [
        [
            str(user["name"]),
            str(user["role"]),
            _scope(user["projects"]),
            "disabled" if user["disabled"] else "enabled",
        ]
        for user in found
    ]
    columns = ["name", "role", "sees", "account"]
    print_table(columns, rows, "There is no account yet: `mlops users add NAME --role admin`.")


@users.command()
@click.argument("name")
@click.option("--role", type=_ROLES, required=True)
@click.option("--project", "projects", multiple=True, help="Only this one; may be repeated.")
@sentences
def add(*, name: str, role: str, projects: tuple[str, ...]) -> None:
    """Make an account; its password is made up and shown once."""
    from services.access import store
    from services.actions.users import AddUser
    from services.commands.acting import perform

    store.check_name(name)
    password, hashed = _new_password(name)
    _hand_over(name, password, perform(AddUser(name, role, projects or None, hashed)))


@users.command("set")
@click.argument("name")
@click.option("--role", type=_ROLES)
@click.option("--project", "projects", multiple=True, help="Only this one; may be repeated.")
@click.option("--all-projects", is_flag=True, help="Take the scope away.")
@sentences
def set_user(*, name: str, role: str | None, projects: tuple[str, ...], all_projects: bool) -> None:
    """Change the role or the scope of an account; it counts at once."""
    from services.actions.users import ChangeUser
    from services.commands.acting import perform

    if role is None and not projects and not all_projects:
        raise click.UsageError("Say what to change: --role, --project or --all-projects.")
    if projects and all_projects:
        raise click.UsageError("--project and --all-projects contradict each other.")
    change = ChangeUser(name, user_role=role, projects=projects or None, all_projects=all_projects)
    _tell(perform(change))


@users.command()
@click.argument("name")
@sentences
def disable(*, name: str) -> None:
    """Keep a person from signing in, and end their sessions."""
    _turn(name, disabled=True)


@users.command()
@click.argument("name")
@sentences
def enable(*, name: str) -> None:
    """Let a disabled person sign in again."""
    _turn(name, disabled=False)


@users.command("reset-password")
@click.argument("name")
@sentences
def reset_password(*, name: str) -> None:
    """Give a person a new password, shown once; it ends their sessions and takes a lock off."""
    from services.actions.users import ChangeUser
    from services.commands.acting import perform

    password, hashed = _new_password(name)
    _hand_over(name, password, perform(ChangeUser(name, password_hash=hashed)))


def _turn(name: str, *, disabled: bool) -> None:
    from services.actions.users import ChangeUser
    from services.commands.acting import perform

    _tell(perform(ChangeUser(name, disabled=disabled)))


def _tell(record: "ActionRecord") -> None:
    click.echo(f"{record.title}: {record.state}.")


def _new_password(name: str) -> tuple[str, str]:
    """Return a password and its hash."""
    import secrets

    from services.access import store

    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    return password, store.password_hash(name, password)


def _hand_over(name: str, password: str, record: "ActionRecord") -> None:
    if not record.ended:
        click.echo(f"{record.title} is not done yet: the password works when it is.", err=True)
    click.echo("The password is shown this once:")
    click.echo(f"  user name  {name}\n  password   {password}")


def _scope(projects: object) -> str:
    if not isinstance(projects, list):
        return "all projects"
    return ", ".join(projects) or "no project"
