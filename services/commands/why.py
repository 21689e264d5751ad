"""``mlops why``: why a run, or a stretch of time on a machine, was slow."""

import re
from datetime import UTC, datetime, timedelta

import click

from services.commands.output import json_option, moment, print_json, say, sentences
from services.errors import InputError, MlopsError, PlatformError
from services.mirror.models import Curve, Run, RunQuery
from services.mirror.queries import Mirror
from services.telemetry.asking import (
    Question,
    explain,
    host_of,
    question_of_host,
    question_of_run,
    samples_of,
)
from services.telemetry.causes import KINDS
from services.telemetry.diagnosis import Cause, Diagnosis, Earlier
from services.telemetry.figures import percent
from services.telemetry.models import HostState, Telemetry

_AGO = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(s|m|min|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_POINTS = 5000
_LOOKED_BACK = 20
"""How many earlier runs are looked through for one to compare with."""


def _telemetry() -> Telemetry:
    raise PlatformError("No telemetry store is connected.", "`mlops up` starts the sampler.")


def _mirror() -> Mirror:
    from services.settings import Settings

    return Mirror.open(Settings())


def _now() -> datetime:
    return datetime.now(UTC)


@click.command()
@click.argument("run_id", required=False)
@click.option("--host", help="A machine; of a run only when it cannot be told.")
@click.option("--from", "start", help="Begin: ISO time (UTC), or 30m, 2h, 1d ago. [default: 1h]")
@click.option("--to", "end", help="End, in the same way. [default: now]")
@json_option
@sentences
def why(
    *, run_id: str | None, host: str | None, start: str | None, end: str | None, as_json: bool
) -> None:
    """Say why a run, or a stretch of time on a machine, was slow."""
    now = _now()
    begin, last = moment_of(start, now), moment_of(end, now)
    if run_id is None and host is None:
        raise InputError("Say what was slow: a run, or a machine.", "`mlops why RUN` or --host H.")
    telemetry = _telemetry()
    states = telemetry.hosts()
    if run_id is None:
        begin, last = begin or now - timedelta(hours=1), last or now
        question = question_of_host(states, host or "", begin, last)
        found = explain(telemetry, question)
    else:
        mirror = _mirror()
        run = mirror.run(run_id).run
        question = question_of_run(
            states, run, _curves(mirror, run_id), now, host=host, start=begin, end=last
        )
        found = explain(telemetry, question)
        if found.causes and found.slowdown is None and question.points:
            found = explain(telemetry, question, _earlier(telemetry, mirror, states, run, question))
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


def _curves(mirror: Mirror, run_id: str) -> tuple[Curve, ...]:
    return mirror.curves([run_id], mirror.curve_keys(run_id), _POINTS)


def _earlier(
    telemetry: Telemetry,
    mirror: Mirror,
    states: tuple[HostState, ...],
    run: Run,
    question: Question,
) -> Earlier | None:
    """Return the newest finished run of the same technique on the same machine before this one."""
    page = mirror.runs(RunQuery(filter="status = finished", project=run.project, limit=200))
    before = [
        one
        for one in page.rows
        if one.technique == run.technique
        and one.started_at is not None
        and one.ended_at is not None
        and one.ended_at <= question.start
    ]
    for one in before[:_LOOKED_BACK]:
        asked = _comparable(mirror, states, one, question)
        if asked is not None:
            samples = samples_of(telemetry, question.host, asked.start, asked.end)
            if samples:
                name = one.name or one.run_id
                return Earlier(name, samples, asked.start, asked.end, asked.points)
    return None


def _comparable(
    mirror: Mirror, states: tuple[HostState, ...], run: Run, question: Question
) -> Question | None:
    """Return the question about an earlier run if it ran on the same machine and has steps."""
    try:
        if host_of(states, run).machine.host != question.host:
            return None
        found = question_of_run(states, run, _curves(mirror, run.run_id), question.start)
    except MlopsError:  # a run that cannot be placed is no run to compare with
        return None
    return found if found.points else None


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
