"""``mlops why``: why a run, a stretch of time on a machine, or a deployment was slow."""

import re
from datetime import UTC, datetime, timedelta

import click

from services.causes.models import SYMPTOMS
from services.commands import why_deployment
from services.commands.output import json_option, moment, print_json, say, sentences
from services.errors import InputError
from services.home import Home
from services.mirror.queries import Mirror
from services.telemetry.asking import Question
from services.telemetry.causes import KINDS
from services.telemetry.diagnosis import Cause, Diagnosis
from services.telemetry.explaining import explain_host, explain_run
from services.telemetry.figures import percent
from services.telemetry.models import Telemetry

_AGO = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(s|m|min|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def _telemetry() -> Telemetry:
    from services.telemetry.store import Store

    return Store(Home.locate().telemetry)


def _mirror() -> Mirror:
    from services.settings import Settings

    return Mirror.open(Settings())


def _now() -> datetime:
    return datetime.now(UTC)


@click.command()
@click.argument("run_id", required=False)
@click.option("--host", help="A machine; of a run only when it cannot be told.")
@click.option("--deployment", metavar="PROJECT.MODEL", help="A deployment that got worse.")
@click.option("--since", help="Of a deployment: when it began. [default: looked for]")
@click.option(
    "--symptom",
    type=click.Choice(SYMPTOMS),
    help="Of a deployment: this alone. [default: latency, errors, and what drifted]",
)
@click.option("--from", "start", help="Begin: ISO time (UTC), or 30m, 2h, 1d ago. [default: 1h]")
@click.option("--to", "end", help="End, in the same way. [default: now]")
@json_option
@sentences
def why(
    *,
    run_id: str | None,
    host: str | None,
    deployment: str | None,
    since: str | None,
    symptom: str | None,
    start: str | None,
    end: str | None,
    as_json: bool,
) -> None:
    """Say why a run, or a stretch of time on a machine, was slow; or why a deployment got worse."""
    now = _now()
    if deployment is not None:
        if run_id or host or start or end:
            raise InputError(
                "A deployment is asked about alone.", "`mlops why --deployment P.M --since 2h`."
            )
        why_deployment.tell(deployment, moment_of(since, now), symptom, now, as_json=as_json)
        return
    if since or symptom:
        raise InputError("--since and --symptom are for --deployment.", "Of a run: --from, --to.")
    begin, last = moment_of(start, now), moment_of(end, now)
    if run_id is None and host is None:
        raise InputError(
            "Say what was slow: a run, a machine, or a deployment.",
            "`mlops why RUN`, --host H or --deployment PROJECT.MODEL.",
        )
    telemetry = _telemetry()
    if run_id is None:
        begin, last = begin or now - timedelta(hours=1), last or now
        told = explain_host(telemetry, host or "", begin, last)
    else:
        told = explain_run(telemetry, _mirror(), run_id, now, host=host, start=begin, end=last)
    question, found = told.question, told.found
    if as_json:
        print_json(shape(run_id, question, found))
    else:
        _print(question, found)


def moment_of(text: str | None, now: datetime) -> datetime | None:
    """Return a time that a person wrote: ISO (without a zone it is UTC), or how long ago.

    Raises:
        InputError: It is neither.
    """
    if text is None:
        return None
    words = text.strip().lower().removesuffix("ago").strip()
    if words == "now":
        return now
    ago = _AGO.fullmatch(words)
    try:
        if ago:
            return now - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{text[:40]!r} is no time.", "Write 2026-11-03T10:00, or how long ago: 30m, 2h, 1d."
        ) from error


def shape(run_id: str | None, question: Question, found: Diagnosis) -> dict[str, object]:
    """Return a diagnosis in the documented JSON shape."""
    return {
        "run_id": run_id,
        "host": question.host,
        "start": found.start,
        "end": found.end,
        "coverage": found.coverage,
        "summary": found.summary,
        "causes": list(found.causes),
        "unknown": list(found.unknown),
        "clear": list(found.clear),
        "slowdown": found.slowdown,
    }


def _print(question: Question, found: Diagnosis) -> None:
    sampled = percent(found.coverage)
    say(f"{question.host}: {moment(found.start)} to {moment(found.end)}, {sampled} of it sampled")
    say(found.summary)
    for number, cause in enumerate(found.causes, 1):
        _print_cause(number, cause)
    if found.unknown:
        click.echo("\nCannot be told:")
        for one in found.unknown:
            say(f"  {KINDS[one.kind]}: {one.reason}")
    if found.clear:
        click.echo("\nLooked for and not found:")
        say(f"  {', '.join(KINDS[kind] for kind in found.clear)}")


def _print_cause(number: int, cause: Cause) -> None:
    how = "" if cause.lost_quality == "measured" else "about "
    click.echo()
    say(f"{number}. {cause.title} ({how}{percent(cause.lost)} of the speed)")
    for one in cause.evidence:
        say(f"   - {one.said}")
    say(f"   {cause.suggestion}")
