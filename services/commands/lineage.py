"""``mlops lineage``: where a thing came from, what came of it, and what of it is bad."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import orjson

from services.commands.acting import context, perform
from services.commands.output import json_option, moment, print_json, print_table, say, sentences
from services.errors import InputError, NotFoundError
from services.home import Home

if TYPE_CHECKING:
    from services.lineage.asking import Lineage
    from services.lineage.models import Direction, Node, Ref, Thread
    from services.lineage.radius import Radius

_AGAIN = "`mlops lineage ID` takes a revision, a run, PROJECT/MODEL:VERSION or DAG/RUN."


class _WithId(click.Group):
    """``mlops lineage ID`` is ``mlops lineage show ID``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the word in that may be left out."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_WithId)
def lineage() -> None:
    """Where a thing came from and what came of it: `mlops lineage ID`."""


@lineage.command()
@click.argument("thing", metavar="ID")
@click.option("--up", "direction", flag_value="up", help="Only what it came from.")
@click.option("--down", "direction", flag_value="down", help="Only what came of it.")
@click.option("--depth", type=click.IntRange(1, 500), help="Steps each way. [default: 24]")
@click.option(
    "--fan", type=click.IntRange(1, 5_000), help="Of what came of one thing. [default: 12]"
)
@click.option("--openlineage", "events", is_flag=True, help="It as OpenLineage events, one a line.")
@json_option
@sentences
def show(
    *,
    thing: str,
    direction: str | None,
    depth: int | None,
    fan: int | None,
    events: bool,
    as_json: bool,
) -> None:
    """Show the thread of a revision, run, version, workflow run, verdict or alert."""
    from services.lineage.walking import DIRECTIONS, LIMITS, widened

    here = _asked()
    ways: tuple[Direction, ...] = tuple(one for one in DIRECTIONS if direction in {None, one})
    thread = here.thread(_one(here, thing), ways, widened(LIMITS, depth, fan))
    if events:
        _print_events(thread)
    elif as_json:
        print_json(_dated(thread.as_json()))
    else:
        _print(thread)


@lineage.command()
@click.argument("thing", metavar="ID")
@json_option
@sentences
def affected(*, thing: str, as_json: bool) -> None:
    """List every version that came of a thing, and what of it answers requests now."""
    here = _asked()
    found = here.radius(_one(here, thing))
    if as_json:
        print_json(_dated(found.as_json()))
    else:
        _print_radius(found)


@lineage.command()
@click.argument("thing", metavar="ID")
@click.option("--reason", required=True, help="Why it is bad; others decide by it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def mark(*, thing: str, reason: str, yes: bool) -> None:
    """Mark data, a run or a version as bad: what came of it shows it."""
    from services.actions.lineage_mark import MarkBad

    here = _asked()
    node = here.node(_one(here, thing))
    action = MarkBad(node.project, node.id, reason)
    if not yes:
        for sentence in action.consequences(context()):
            say(sentence)
        click.confirm(f"{action.title}?", abort=True)
    say(f"{action.title}: {perform(action).state}.")
    _print_radius(_asked().radius(node.ref))


@lineage.command()
@click.argument("thing", metavar="ID")
@click.option("--reason", required=True, help="Why it is good after all.")
@sentences
def unmark(*, thing: str, reason: str) -> None:
    """Take a mark back."""
    from services.actions.lineage_mark import UnmarkBad

    here = _asked()
    ref = _one(here, thing)
    marks = here.marks()
    if ref not in marks:
        raise NotFoundError(f"{ref.id} is not marked as bad.", "`mlops lineage bad` lists what is.")
    action = UnmarkBad(marks[ref].project, ref.id, reason)
    say(f"{action.title}: {perform(action).state}.")


@lineage.command()
@json_option
@sentences
def bad(*, as_json: bool) -> None:
    """List what is marked as bad, and what came of it."""
    from services.lineage.models import mark_json
    from services.lineage.radius import said

    found = _asked().spoilt()
    if as_json:
        print_json(
            [_dated({**mark_json(one.mark), "affected": one.radius.as_json()}) for one in found]
        )
        return
    rows = [
        [one.mark.ref.id, _when(one.mark.at), one.mark.by, one.mark.reason, said(one.radius)]
        for one in found
    ]
    print_table(["bad", "since", "by", "why", "what came of it"], rows, "Nothing is marked as bad.")


@lineage.command()
@json_option
@sentences
def broken(*, as_json: bool) -> None:
    """List every link that leads nowhere."""
    from services.lineage.models import broken_json

    here = _asked()
    found = here.broken()
    if as_json:
        print_json([broken_json(one) for one in found])
    else:
        rows = [[one.ref.id, one.missing, one.said, one.hint] for one in found]
        print_table(["what", "missing", "said", "what to do"], rows, "No link is broken.")
    for sentence in here.unread:
        say(f"Not looked at: {sentence}", err=True)


@lineage.command()
@click.option("--to", default="", help="A file or an address. [default: MLOPS_OPENLINEAGE_TO]")
@sentences
def send(*, to: str) -> None:
    """Send what happened since the last time as OpenLineage events.

    The controller does it by itself where MLOPS_OPENLINEAGE_TO is set.
    """
    from services.lineage import posting
    from services.lineage.sending import send_new
    from services.lineage.told.everything import stores
    from services.platform.configuration import load_settings

    settings = load_settings()
    to = to or settings.openlineage_to
    post = partial(posting.post, private=settings.openlineage_private)
    here, home = context(), Home.locate()
    count = send_new(home, stores(home, here.mirror, here.journal), to, post)
    say(f"{count:,} events were sent to {to}." if count else f"Nothing is new for {to}.")


def _asked() -> "Lineage":
    from services.lineage.asking import Lineage
    from services.lineage.monitored import monitored

    here, home = context(), Home.locate()
    watched = monitored(here.journal, home)
    return Lineage(home, here.mirror, here.journal, here.data, watched=watched)


def _one(here: "Lineage", text: str) -> "Ref":
    """Return the one thing that a text means.

    Raises:
        NotFoundError: Nothing has that name.
        InputError: Several things have.
    """
    found = here.find(text)
    if not found:
        raise NotFoundError(f"Nothing is called {text[:100]!r}.", _AGAIN)
    if len(found) > 1:
        names = ", ".join(one.id for one in found[:8])
        raise InputError(f"{text[:100]!r} may be {names}.", "Say which, as it is written here.")
    return found[0]


def _print_events(thread: "Thread") -> None:
    from services.lineage.told.everything import of_things

    here, things = context(), [one.ref for one in thread.nodes]
    for event in of_things(Home.locate(), here.mirror, here.journal, things):
        click.echo(orjson.dumps(event))


def _print(thread: "Thread") -> None:
    rows = [_row(one, thread) for one in thread.nodes]
    print_table(["", "what", "id", "how it is", "since", "came from"], rows, "")
    for one in thread.broken:
        say(f"Broken: {one.said} {one.hint}")
    for more in thread.more:
        say(f"{more.said} (of {more.ref.id})")
    if thread.more:
        say("`--fan N` and `--depth N` show more.")
    if thread.hidden:
        say(f"{thread.hidden:,} more are of projects that you do not see.")
    for sentence in thread.unknown:
        say(f"Could not be asked: {sentence}", err=True)


def _row(one: "Node", thread: "Thread") -> list[str]:
    word = {"there": "", "gone": "broken", "unknown": "unknown"}[one.state]
    if one.mark is not None:
        word = "bad"
    elif one.under:
        word = f"from bad {one.under[0]}"
    elif one.perhaps:
        word = f"maybe from bad {one.perhaps[0]}"
    here = "→" if one.ref == thread.start.ref else ""
    before = ", ".join(link.before.id for link in thread.links if link.after == one.ref)
    how = ", ".join(filter(None, (word, one.said)))
    return [here, f"{one.ref.kind}: {one.title}", one.id, how, _when(one.at), before]


def _print_radius(found: "Radius") -> None:
    from services.lineage.radius import said

    rows = [
        [one.ref.id, one.serving or "not in service", ", ".join(one.aliases),
         f"{one.how}: {one.why}" if one.why else one.how, _when(one.at)]
        for one in found.versions
    ]  # fmt: skip
    print_table(["version", "in service", "aliases", "how", "registered"], rows, "")
    say(said(found))


def _when(at: float | None) -> str:
    return moment(None if at is None else datetime.fromtimestamp(at, UTC))


def _dated(value: Any) -> Any:  # noqa: ANN401 - JSON is what it is
    """Return JSON with its times as they are written everywhere."""
    if isinstance(value, dict):
        return {
            key: datetime.fromtimestamp(item, UTC)
            if key == "at" and isinstance(item, float)
            else _dated(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_dated(item) for item in value]
    return value
