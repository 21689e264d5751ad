"""``mlops drift settings``: how strictly checks judge, and what they leave out."""

from typing import TYPE_CHECKING, Any

import click

from services.commands.output import json_option, print_json, say, sentences

if TYPE_CHECKING:
    from services.actions.action import Context


@click.command()
@click.argument("name", metavar="PROJECT[.MODEL]")
@click.option("--ignore", multiple=True, metavar="INPUT", help="Compare it no more.")
@click.option("--compare", multiple=True, metavar="INPUT", help="Compare it again.")
@click.option("--threshold", type=float, help="From which effect on a shift counts; 0.1 is usual.")
@click.option("--alarms-a-day", type=float, help="False alarms of a deployment, at most; 0.01.")
@click.option("--reset", is_flag=True, help="Take back what was said of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@sentences
def settings(
    *, name: str, ignore: tuple[str, ...], compare: tuple[str, ...], threshold: float | None,
    alarms_a_day: float | None, reset: bool, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show how a deployment is judged; with options, change it for the checks to come.

    Without MODEL it is of all models of the project that have nothing of their own.
    """
    from services.actions.drift_settings import SetDriftSettings
    from services.commands.acting import act, context, perform
    from services.monitoring import settings as kept

    here = context()
    project, _, model = name.partition(".")
    here.mirror.project(project)
    now = kept.of(kept.all_said(here.journal), project, model)
    given: dict[str, Any] = {"threshold": threshold, "alarms_a_day": alarms_a_day}
    changed = {word: value for word, value in given.items() if value is not None}
    if ignore or compare or changed or reset:
        left_out = (set(now.ignored) | set(map(_full, ignore))) - set(map(_full, compare))
        wanted = {**now.as_json(), **changed, "ignored": tuple(sorted(left_out))}
        action = SetDriftSettings(project, model, **wanted, reset=reset)
        if as_json:
            perform(action)
        else:
            act(action, yes=yes)
    _show(here, project, model, as_json=as_json)


def _full(name: str) -> str:
    return name if name.startswith("input.") else f"input.{name}"


def _show(here: "Context", project: str, model: str, *, as_json: bool) -> None:
    from services.monitoring import settings as kept

    known = kept.all_said(here.journal)
    now = kept.of(known, project, model)
    own, of_all = known.get((project, model)), known.get((project, ""))
    source = "default" if own is None and of_all is None else "project" if own is None else "own"
    chosen = own or of_all
    if as_json:
        by = None if chosen is None else chosen.by
        print_json({"project": project, "model": model or None, **now.as_json(), "source": source,
                    "by": by})  # fmt: skip
        return
    whose = {"default": "nobody said otherwise", "project": f"as said of {project}"}
    say(f"{kept.said(now)} ({whose.get(source, f'{chosen.by} said so' if chosen else '')})")
