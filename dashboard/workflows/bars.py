"""The last runs of a workflow as small bars.

How long each took is its height, how it ended its colour and, for who cannot tell colours apart,
its sign and its words.
"""

from collections.abc import Sequence
from datetime import datetime

from dashboard.charts.theme import Colours
from dashboard.text import markup
from dashboard.workflows import address, states
from dashboard.workflows.figures import run_s, said_of, who
from services.mirror.workflow_models import WorkflowRun

HEIGHT_PX, LEAST_PX = 26, 5
_SIGN_PX = 11


# Each look once: every open tab gets hundreds of bars every two seconds.
_LOOK = (
    "<style>.wf-bars{display:flex;align-items:flex-end;justify-content:flex-end;gap:2px}"
    ".wf-bars a{width:9px;text-decoration:none;text-align:center;font-size:9px;"
    f"line-height:{_SIGN_PX}px}}"
    ".wf-bars i{display:block;background:currentColor;border-radius:2px}</style>"
)


def look() -> str:
    """Return how bars look: once in each drawing that holds some."""
    return _LOOK


def html(runs: Sequence[WorkflowRun], hues: Colours, now: datetime, length: int = 14) -> str:
    """Return the bars, the oldest first, in a place that is as wide for fewer."""
    longest = max((took for run in runs if (took := run_s(run, now))), default=0.0)
    drawn = "".join(_bar(run, longest, hues, now) for run in runs[-length:])
    return (
        '<div class="wf-bars" role="group" aria-label="last runs, the newest at the right" '
        f'style="width:{length * 11}px;height:{HEIGHT_PX + _SIGN_PX}px">{drawn}</div>'
    )


def height_px(seconds: float | None, longest_s: float) -> int:
    """Return how high a bar is: the longest has the whole height, none is too small to click."""
    if not seconds or longest_s <= 0:
        return LEAST_PX
    return max(LEAST_PX, round(HEIGHT_PX * min(1.0, seconds / longest_s)))


def _bar(run: WorkflowRun, longest: float, hues: Colours, now: datetime) -> str:
    said = markup(f"{said_of(run, now)}, {who(run)}", 200)
    href = markup(address.to_run(run.dag_id, run.run_id))
    height = height_px(run_s(run, now), longest)
    return (
        f'<a href="{href}" title="{said}" style="color:{states.tone(run.state, hues)}">'
        f'{states.shape(run.state)}<i style="height:{height}px"></i></a>'
    )
