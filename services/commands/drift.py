"""``mlops drift``: how deployments do beside their baselines and promises, across projects."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from services.commands.drift_accuracy import accuracy_of
from services.commands.drift_settings import settings
from services.commands.output import (
    json_option,
    moment,
    number,
    print_json,
    print_table,
    say,
    sentences,
)

if TYPE_CHECKING:
    from services.commands.drift_reading import Deployment
    from services.monitoring.models import ColumnVerdict, Verdict
    from services.monitoring.store import Summary
    from services.objectives.models import Standing

_named = click.argument("name", metavar="PROJECT.MODEL")
_KINDS = ("data", "prediction", "quality", "accuracy")
_BASELINES = ("auto", "evaluation", "first", "season", "window")
_HOUR_S, _DAY_S = 3600.0, 86_400.0


@click.group()
def drift() -> None:
    """Drift, data quality and accuracy of deployments: list, show, check, baseline, settings."""


@drift.command("list")
@click.option("--project", help="One project's id.")
@json_option
@sentences
def list_drift(*, project: str | None, as_json: bool) -> None:
    """List the deployments of all projects, the worst first: verdicts, objectives, freshness."""
    from services.commands import drift_labels, drift_reading

    found = drift_reading.deployments(project)
    if as_json:
        print_json([one.shape() for one in found])
        return
    rows = [
        [
            one.name,
            one.state,
            one.severity or "–",
            "–" if one.share is None else f"{one.share:.0%}",
            "–" if one.rows is None else f"{one.rows:,}",
            "–" if one.age_s is None else age(one.age_s),
            _level(one.level),
            _ago(one.predicted_at, one.now),
            _ago(one.labelled_at, one.now),
            one.said,
        ]
        for one in found
    ]
    columns = [
        "deployment", "state", "severity", "drifted", "rows", "age", "objectives", "asked",
        "labels", "said",
    ]  # fmt: skip
    print_table(columns, rows, "Nothing is in service, so nothing is checked.")
    fit = found[0].fit if found else None
    for told in drift_labels.sentences(fit, project, None) if fit is not None else ():
        say(told)


@drift.command()
@_named
@click.option("--kind", type=click.Choice(_KINDS), help="One of its verdicts; else all four.")
@click.option("--history", type=click.IntRange(1, 1000), metavar="N", help="Its last N checks.")
@json_option
@sentences
def show(*, name: str, kind: str | None, history: int | None, as_json: bool) -> None:
    """Show a deployment's newest verdicts, each column then and now, and what Evidently found."""
    from services.commands import drift_evidently, drift_reading

    one = drift_reading.deployment(name)
    kinds = _KINDS if kind is None else (kind,)
    before = one.history(kinds, history) if history else ()
    reports = drift_evidently.read(one)
    if as_json:
        document = {
            **one.shape(),
            "verdicts": [
                {**verdict_shape(each), "begun": _moment(one.begun(each))}
                for each in one.verdicts
                if each.kind in kinds
            ],
            "history": [summary_shape(each) for each in before],
            "evidently": [drift_evidently.shape(each) for each in reports],
        }
        print_json(document)
        return
    _tell(one)
    for verdict in one.verdicts:
        if verdict.kind in kinds:
            _tell_verdict(verdict, one.begun(verdict))
    if one.verdicts and kind in (None, "data", "prediction"):
        drift_evidently.tell(one.name, reports)
    if history:
        rows = [_history_row(each) for each in before]
        columns = ["when", "version", "what", "state", "severity", "drifted", "rows", "said"]
        print_table(columns, rows, "It was not checked yet.")


drift.add_command(settings)


@drift.command()
@click.argument("name", metavar="[PROJECT.MODEL]", required=False)
@click.option("--all", "every", is_flag=True, help="All that is in service, of all projects.")
@click.option("--project", help="With --all: of this project alone.")
@click.option("--report", is_flag=True, help="Have Evidently write its full report, too.")
@click.option("--wait", is_flag=True, help="Show how far it is, and what it came to.")
@sentences
def check(*, name: str | None, every: bool, project: str | None, report: bool, wait: bool) -> None:
    """Compare a deployment with its baseline now; exit 1 when that failed, not when it drifted.

    With --all one that cannot be checked keeps none of the others from it.
    """
    from services.actions.drift_check import CheckDrift
    from services.commands import drift_reading
    from services.commands.rolling import roll
    from services.errors import InputError, MlopsError

    if (name is None) != every or (project is not None and not every):
        raise InputError(
            "Which deployments are to be checked is not clear.",
            "Write PROJECT.MODEL, or --all, or --all --project ID.",
        )
    names = drift_reading.in_service(project) if name is None else [drift_reading.named(name)]
    if not names:
        say("Nothing is in service, so nothing is checked.")
    failed = 0
    for of, model in names:
        see = f"mlops drift show {of}.{model}"
        try:
            roll(CheckDrift(of, model, report), wait=wait, see=see)
        except MlopsError as error:
            if not every:
                raise
            failed += 1
            say(f"{of}.{model}: {error.message} {error.hint}".strip(), err=True)
    if failed:
        raise MlopsError(
            f"{failed} of {len(names)} could not be checked.", "What failed is said above."
        )


@drift.command()
@_named
@click.argument("kind", type=click.Choice(_BASELINES))
@click.option("--weeks", type=int, help="Of season: how many weeks back, 1 to 12. [default: 4]")
@click.option("--zone", default="UTC", show_default=True, help="Of season: as Europe/Berlin.")
@click.option("--since", metavar="TIME", help="Of window: 2026-05-01 or 2026-05-01T08:30, UTC.")
@click.option("--until", metavar="TIME", help="Of window.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def baseline(
    *,
    name: str,
    kind: str,
    weeks: int | None,
    zone: str,
    since: str | None,
    until: str | None,
    yes: bool,
) -> None:
    """Say what a deployment's checks compare with.

    auto: its evaluation data, else its first predictions. evaluation, first: that alone.
    season: the same hours of the weeks before. window: the predictions of a stretch of time.
    """
    from services.actions.drift_check import SetBaseline
    from services.commands import drift_reading
    from services.commands.acting import act
    from services.monitoring.models import Baseline

    project, model = drift_reading.named(name)
    chosen = SetBaseline(
        project,
        model,
        kind,
        Baseline().weeks if weeks is None else weeks,
        at(since),
        at(until),
        zone,
    )
    act(chosen, yes=yes)


drift.add_command(accuracy_of)


def at(text: str | None) -> float | None:
    """Return a moment that a person wrote, in seconds since 1970; without a zone it is UTC.

    Raises:
        InputError: It is none.
    """
    from services.errors import InputError

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text[:40]!r} is no time.", "Write 2026-05-01 or 2026-05-01T08:30."
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def age(seconds: float) -> str:
    """Return an age for a table."""
    if seconds < _HOUR_S:
        return f"{max(0.0, seconds) / 60:.0f} min"
    return f"{seconds / _HOUR_S:.0f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:.0f} d"


def _ago(at: float | None, now: float) -> str:
    return "–" if at is None else age(now - at)


def _level(worst: "Standing | None") -> str:
    """Return how a deployment stands: with that of its objectives which fares worst."""
    if worst is None:
        return "–"
    if worst.state in ("met", "unknown"):
        return worst.state
    return f"{worst.state} ({worst.objective.kind})"


def verdict_shape(one: "Verdict") -> dict[str, Any]:
    """Return a verdict in the documented JSON shape: that of its file, with times as words."""
    return {**one.as_json(), **_times(one)}


def summary_shape(one: "Summary") -> dict[str, Any]:
    """Return a verdict without its columns in the documented JSON shape."""
    plain = {name: getattr(one, name) for name in type(one).__dataclass_fields__}
    return {**plain, **_times(one)}


def _times(one: "Verdict | Summary") -> dict[str, datetime | None]:
    return {name: _moment(getattr(one, name)) for name in ("computed_at", "since", "until")}


def _moment(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _tell(one: "Deployment") -> None:
    from services.monitoring import baselines

    say(f"{one.name}, {one.versions_said}: {one.state}")
    chosen = one.chosen
    said = baselines.said(one.baseline)
    by = f" ({chosen.by} chose it {moment(_moment(chosen.at))})" if chosen else ""
    say(f"Compared with {said}{by}.")
    for looked in one.looked:
        when = moment(_moment(looked.at))
        if looked.error:
            why = f"{looked.error} {looked.hint}"
            say(f"Version {looked.version} could not be checked {when}: {why}")
        elif looked.compared_at is not None and looked.compared_at < looked.at:
            since = moment(_moment(looked.compared_at))
            say(f"Version {looked.version}: nothing came between {since} and {when}.")
        if looked.fault:
            say(f"Version {looked.version} lacks: {looked.fault} {looked.hint}")
    if not one.verdicts:
        say(one.said)


def _tell_verdict(verdict: "Verdict", begun: float | None) -> None:
    from services.monitoring import weights

    head = f"{verdict.kind}, version {verdict.version}, {moment(_moment(verdict.computed_at))}"
    since = f" since {moment(_moment(begun))}" if verdict.state == "drifted" and begun else ""
    say(f"\n{head}: {verdict.state}{since}")
    say(verdict.said)
    if verdict.report:
        say(f"Full report: monitoring/{verdict.report}")
    rows = [_column_row(one) for one in weights.ordered(verdict.columns)]
    if rows:
        columns = ["column", "state", "effect", "from", "p", "n", "n before", "importance", "said"]
        print_table(columns, rows, "")


def _column_row(one: "ColumnVerdict") -> list[str]:
    return [
        one.name, one.state, number(one.effect), number(one.threshold), number(one.p_value),
        f"{one.n_current:,}", f"{one.n_reference:,}",
        "–" if one.importance is None else f"{one.importance:.0%}", one.said,
    ]  # fmt: skip


def _history_row(one: "Summary") -> list[str]:
    return [
        moment(_moment(one.computed_at)), str(one.version), one.kind, one.state, one.severity,
        "–" if one.share is None else f"{one.share:.0%}", f"{one.rows:,}", one.said,
    ]  # fmt: skip
