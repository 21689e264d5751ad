"""How many jobs run, start, wait and are held, and for what: one drawing."""

from collections.abc import Mapping, Sequence

from dashboard.charts.theme import Colours
from dashboard.numbers import counted
from dashboard.queue import access, looks
from dashboard.text import markup
from services.mirror.workflow_models import QueueRow
from services.workflows.queue import KINDS

_WORDS = {"running": "run", "starting": "start", "waiting": "wait", "held": "held"}


def by_kind(rows: Sequence[QueueRow]) -> dict[str, int]:
    """Return how many jobs stand for each reason, in the order reasons are shown."""
    order = list(KINDS)
    found: dict[str, int] = {}
    for row in rows:
        found[row.kind] = found.get(row.kind, 0) + 1
    place: Mapping[str, int] = {kind: number for number, kind in enumerate(order)}
    return dict(sorted(found.items(), key=lambda item: place.get(item[0], len(order))))


def html(rows: Sequence[QueueRow], hues: Colours, said: str = "") -> str:
    """Return the figures, the bar of reasons and its legend; ``said`` stands beside the figures."""
    states = access.counted(rows)
    figures = "".join(
        f'<div><span style="font-size:26px;font-weight:600;color:{hues.text}">{count:,}</span> '
        f'<span style="color:{hues.muted}">{_WORDS.get(state, state)}</span></div>'
        for state, count in states.items()
    )
    kinds = by_kind(rows)
    told = ", ".join(f"{count} {looks.word(kind)}" for kind, count in kinds.items())
    bar = "".join(
        f'<div title="{markup(looks.word(kind))}: {counted(count, "job")}" style="flex:{count} 1 0;'
        f'min-width:3px;background:{looks.hue(kind, hues)}"></div>'
        for kind, count in kinds.items()
    )
    legend = "".join(
        f'<span style="white-space:nowrap"><span style="color:{looks.hue(kind, hues)}">■</span> '
        f"{markup(looks.word(kind))} <b>{count:,}</b></span>"
        for kind, count in kinds.items()
    )
    return (
        f'<div style="font-variant-numeric:tabular-nums"><div style="display:flex;flex-wrap:wrap;'
        f'gap:4px 28px;align-items:baseline">{figures}<div style="margin-left:auto;font-size:13px;'
        f'color:{hues.muted}">{markup(said)}</div></div>'
        f'<div role="img" aria-label="{markup(told)}" style="display:flex;gap:2px;height:12px;'
        f'border-radius:6px;overflow:hidden;margin:6px 0 8px;background:{hues.line}">{bar}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:2px 18px;font-size:13px;color:{hues.text}">'
        f"{legend}</div></div>"
    )
