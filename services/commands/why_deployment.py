"""``mlops why --deployment``: why a deployment is slow, fails, or drifted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.causes.models import KINDS, SYMPTOMS, Explanation, Symptom
from services.commands import endpoint_names
from services.commands.output import moment, print_json, say
from services.errors import InputError
from services.telemetry.figures import percent

if TYPE_CHECKING:
    from services.causes.gathering import Sources

TITLES: dict[Symptom, str] = {
    "slow": "Latency", "errors": "Errors", "data": "Inputs", "prediction": "Predictions",
    "quality": "Data quality", "accuracy": "Accuracy",
}  # fmt: skip


def tell(
    deployment: str, since: datetime | None, symptom: str | None, now: datetime, *, as_json: bool
) -> None:
    """Search and print.

    Raises:
        InputError: There is no such symptom, or it begins in the future.
        MlopsError: There is no such deployment, or something cannot be read.
    """
    from services.causes.gathering import explain_deployment

    project, model = _named(deployment)
    if since is not None and since >= now:
        raise InputError("--since is not in the past.", "Write 2026-11-03T10:00, or 30m, 2h, 1d.")
    begin = None if since is None else since.timestamp()
    found = explain_deployment(
        _sources(), project, model, now.timestamp(), since=begin,
        symptoms=_symptoms(symptom),
    )  # fmt: skip
    if as_json:
        print_json(shape(project, model, found))
        return
    for number, one in enumerate(found):
        if number:
            click.echo()
        _print(one)


def _named(text: str) -> tuple[str, str]:
    """Return project and model; of an endpoint's own name too when its model is gone."""
    project, dot, model = text.partition(".")
    if dot and project and model and "/" not in text:
        return project, model
    found = endpoint_names.endpoint(text)
    return found.project, found.model


def _symptoms(symptom: str | None) -> tuple[Symptom, ...]:
    return tuple(one for one in SYMPTOMS if one == symptom)


def _sources() -> "Sources":
    from services.actions.journal import Journal
    from services.causes.gathering import Sources
    from services.home import Home
    from services.mirror.queries import Mirror
    from services.monitoring.store import VerdictStore
    from services.settings import Settings
    from services.telemetry.store import Store

    home, settings = Home.locate(), Settings()
    return Sources(
        home, Journal.open(settings), Mirror.open(settings), Store(home.telemetry),
        VerdictStore(home),
    )  # fmt: skip


def shape(project: str, model: str, found: Sequence[Explanation]) -> dict[str, object]:
    """Return explanations in the documented JSON shape."""
    return {
        "deployment": f"{project}.{model}",
        "symptoms": [
            {
                "symptom": one.symptom,
                "state": one.state,
                "since": None if one.onset is None else datetime.fromtimestamp(one.onset, UTC),
                "said": one.said,
                "causes": list(one.causes),
                "unknown": list(one.unknown),
                "clear": list(one.clear),
                "none_found": one.none_found if one.state != "steady" else "",
                "then": one.then,
                "now": one.now,
            }
            for one in found
        ],
    }


def _print(one: Explanation) -> None:
    began = ""
    if one.onset is not None:
        began = f" since {moment(datetime.fromtimestamp(one.onset, UTC))}"
    say(f"{TITLES[one.symptom]} of {one.project}.{one.model}{began}")
    say(one.said)
    for number, cause in enumerate(one.causes, 1):
        about = "" if cause.measured else "about "
        click.echo()
        say(f"{number}. {cause.title} ({about}{percent(cause.weight)} of the change)")
        say(f"   {cause.said}")
        for line in cause.evidence:
            say(f"   - {line}")
        say(f"   {cause.suggestion}")
        say(f"   {cause.link}")
    if one.state == "worse" and one.none_found:
        click.echo()
        say(f"Likely cause: {one.none_found}")
        return
    if one.unknown:
        click.echo("\nCannot be told:")
        for line in one.unknown:
            say(f"  {line}")
    if one.clear:
        click.echo("\nLooked at, explains nothing:")
        say(f"  {', '.join(KINDS[kind] for kind in one.clear)}")
