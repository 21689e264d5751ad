"""``mlops keys``: the API keys with which applications ask models."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands.output import json_option, moment, print_json, print_table, say, sentences

if TYPE_CHECKING:
    from services.serving.store import ApiKey


@click.group()
def keys() -> None:
    """API keys: list, add, revoke."""


@keys.command("list")
@click.option("--project", help="One project's.")
@click.option("--all", "everything", is_flag=True, help="Those that ended, too.")
@json_option
@sentences
def list_keys(*, project: str | None, everything: bool, as_json: bool) -> None:
    """List the keys; the keys themselves are known to nobody but who made them."""
    from services.commands.acting import context
    from services.serving import store

    found = store.keys(context().journal, None if project is None else [project])
    now = time.time()
    found = tuple(one for one in found if everything or one.good(now))
    if as_json:
        print_json([shape(one) for one in found])
        return
    rows = [
        [
            one.id,
            one.name,
            "all projects" if one.project == store.ALL_PROJECTS else one.project,
            "all" if one.models is None else ", ".join(one.models),
            f"{one.rate_per_s:g}/s, {one.concurrency} at once",
            state(one, now),
            f"{moment(_at(one.created_at))} by {one.created_by}",
        ]
        for one in found
    ]
    columns = ["id", "name", "project", "models", "limits", "state", "made"]
    print_table(columns, rows, "There is no key: `mlops keys add PROJECT NAME` makes one.")


@keys.command()
@click.argument("project")
@click.argument("name")
@click.option("--model", "models", multiple=True, help="Only this one; may be repeated.")
@click.option("--rate", type=float, default=100.0, show_default=True, help="Requests a second.")
@click.option("--concurrency", type=int, default=32, show_default=True, help="Requests at once.")
@click.option("--days", type=float, help="How long it counts; default: until it is revoked.")
@json_option
@sentences
def add(
    *,
    project: str,
    name: str,
    models: tuple[str, ...],
    rate: float,
    concurrency: int,
    days: float | None,
    as_json: bool,
) -> None:
    """Make a key for the application NAME; PROJECT may be `*` for all. It is shown this once."""
    from services.actions.api_keys import AddApiKey
    from services.commands.acting import perform
    from services.serving import store

    key_id, key, hashed = store.new_key()
    expires = None if days is None else time.time() + days * 86_400
    perform(AddApiKey(project, name, key_id, hashed, models or None, rate, concurrency, expires))
    if as_json:
        print_json({"id": key_id, "key": key, "project": project, "name": name})
        return
    say("The key is shown this once:", err=True)
    click.echo(key)
    say(f"Its id is {key_id}; `mlops keys revoke {key_id}` ends it.", err=True)


@keys.command()
@click.argument("key_id")
@sentences
def revoke(*, key_id: str) -> None:
    """End a key; within a second whoever uses it is refused."""
    from services.actions.api_keys import RevokeApiKey
    from services.commands.acting import act, context
    from services.errors import NotFoundError
    from services.serving import store

    for one in store.keys(context().journal):
        if one.id == (store.key_id_of(key_id) or key_id):
            act(RevokeApiKey(one.project, one.id))
            return
    raise NotFoundError(f"There is no key {key_id[:20]!r}.", "`mlops keys list`")


def state(one: "ApiKey", now: float) -> str:
    """Return whether a key counts, in a word or two."""
    if one.revoked_at is not None:
        return f"revoked {moment(_at(one.revoked_at))}"
    if one.expires_at is None:
        return "counts"
    word = "counts until" if one.good(now) else "ended"
    return f"{word} {moment(_at(one.expires_at))}"


def shape(one: "ApiKey") -> dict[str, object]:
    """Return a key in the documented JSON shape; nothing of it is secret."""
    return {
        "id": one.id,
        "name": one.name,
        "project": one.project,
        "models": one.models,
        "rate_per_s": one.rate_per_s,
        "concurrency": one.concurrency,
        "created_at": _at(one.created_at),
        "created_by": one.created_by,
        "expires_at": None if one.expires_at is None else _at(one.expires_at),
        "revoked_at": None if one.revoked_at is None else _at(one.revoked_at),
    }


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
