"""``mlops drift accuracy``: how right a deployment's answers were over time."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from services.commands.output import json_option, moment, print_json, print_table, say, sentences
from services.monitoring.metrics import METRICS

if TYPE_CHECKING:
    from services.monitoring.accuracy import Accuracy, Quality
    from services.monitoring.metrics import Metric

_SPAN = re.compile(r"(\d{1,4})([hd])")
_UNITS = {"h": 3600.0, "d": 86_400.0}
_MOST_STEPS = 1000


@click.command("accuracy")
@click.argument("name", metavar="PROJECT.MODEL")
@click.option("--version", type=int, help="One of its versions; else the live one.")
@click.option(
    "--metric", type=click.Choice(METRICS), help="Else its objective's, or the project's."
)
@click.option("--since", "back", default="30d", show_default=True, metavar="SPAN",
              help="So far back: 12h, 7d.")  # fmt: skip
@click.option("--step", default="1d", show_default=True, metavar="SPAN", help="Of one figure.")
@json_option
@sentences
def accuracy_of(
    *, name: str, version: int | None, metric: "Metric | None", back: str, step: str, as_json: bool
) -> None:
    """Show how right a deployment's answers were over time, as far as labels came."""
    from services.commands import drift_labels, drift_reading
    from services.home import Home
    from services.monitoring import accuracy

    length, step_s = span(back), span(step)
    _check(length, step_s)
    one = drift_reading.deployment(name)
    asked = one.versions[0] if version is None else version
    until = time.time()
    since = (until - length) // step_s * step_s
    wanted = metric or _promised(one.project, one.model)
    found = accuracy.read(
        Home.locate(), one.project, one.model, since, until, step_s, asked, metric=wanted
    )
    if as_json:
        labels = one.fit and drift_labels.shape(one.fit, one.project, one.model)
        print_json({**shape(one.name, asked, found), "labels": labels})
        return
    say(f"{one.name}, version {asked}: {found.said}")
    for told in drift_labels.sentences(one.fit, one.project, one.model) if one.fit else ():
        say(told)
    rows = [
        [moment(datetime.fromtimestamp(point.at, UTC)), *_figures(point.quality),
         "labels to come" if point.open else ""]
        for point in found.points
    ]  # fmt: skip
    if rows:
        print_table(["from", "measure", "value", "low", "high", "rows", ""], rows, "")


def span(text: str) -> float:
    """Return a length of time that a person wrote, as ``12h`` or ``7d``, in seconds.

    Raises:
        InputError: It is none.
    """
    from services.errors import InputError

    found = _SPAN.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise InputError(f"{text[:40]!r} is no length of time.", "Write 12h or 7d.")
    return int(found[1]) * _UNITS[found[2]]


def _check(length: float, step_s: float) -> None:
    from services.errors import InputError

    if length / step_s > _MOST_STEPS:
        raise InputError(
            f"That are more than {_MOST_STEPS:,} figures.", "Take a longer --step or less --since."
        )


def _promised(project: str, model: str) -> "Metric | None":
    """Return the measure of its objective, else the main one of its project."""
    from services.commands.acting import context
    from services.monitoring import primaries
    from services.objectives import store

    here = context()
    known = store.of(store.said(here.journal, [project]), project, model)
    mine = next((one.metric for one in known if one.kind == "accuracy"), None)
    return mine or primaries.of_mirror(here.mirror).get(project)


def shape(name: str, version: int, found: "Accuracy") -> dict[str, Any]:
    """Return it in the documented JSON shape."""
    return {
        "deployment": name,
        "version": version,
        "task": found.task,
        "figure": None if found.overall is None else _figure(found.overall),
        "points": [
            {"at": datetime.fromtimestamp(point.at, UTC), **_figure(point.quality),
             "open": point.open}
            for point in found.points
        ],
        "predictions": found.predictions,
        "labelled": found.labelled,
        "unusable": found.unusable,
        "strange": found.strange,
        "delay_s": found.delay_s,
        "said": found.said,
    }  # fmt: skip


def _figure(one: "Quality") -> dict[str, Any]:
    return {
        "metric": one.metric, "value": one.value, "low": one.low, "high": one.high,
        "rows": one.rows,
    }  # fmt: skip


def _figures(one: "Quality") -> list[str]:
    from services.monitoring import metrics

    told = (metrics.told(one.metric, each) for each in (one.value, one.low, one.high))
    return [metrics.NAMES[one.metric], *told, f"{one.rows:,}"]
