"""Retrainings: what was proposed and why, who or what decided, what it took and what came of it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

from services.mirror.projects import Goal
from services.reports.models import Asked, Figure, Table, Window, at_of, first
from services.reports.sections.techniques import gained
from services.reports.units import told
from services.retraining import bounds, store
from services.retraining.models import BY_POLICY, WEEK_S, Data, Policy, Proposal, Range

JOURNAL = "the retrainings in the journal"
TRAINED = "the runs of retrainings, measured"
MOST = 2_000
"""Of the newest in both periods; beyond, the section says that there are more."""
_SHOWN = 40
_WHY = 160
_What = Literal["minutes", "joules"]


def read(asked: Asked, since: float) -> tuple[Proposal, ...]:
    """Return what was under way at some time from a moment on to the period's end, newest first.

    Args:
        asked: Where they lie, of which projects, and the period.
        since: Seconds since 1970.

    Raises:
        JournalError: The journal cannot be read.
    """
    until = asked.window.until.timestamp()
    since = min(since, until - WEEK_S)  # budgets are of seven days, however short the period
    found = store.proposals(asked.journal, projects=asked.projects, since=since, limit=MOST)
    return tuple(one for one in found if one.created_at < until)


def figures(window: Window, found: Sequence[Proposal]) -> tuple[Figure, ...]:
    """Return how many, what became of them and what they took; pure."""
    before = window.before
    ended = (("Retrainings promoted", "promoted", ""), ("Retrainings dropped", "dropped", ""),
             ("Retrainings failed", "failed", "less"))  # fmt: skip
    return (
        Figure("Retrainings proposed", len(_made(window, found)), len(_made(before, found)),
               JOURNAL),
        *(Figure(label, len(_ended(window, found, state)), len(_ended(before, found, state)),
                 JOURNAL, "", "less" if better else "") for label, state, better in ended),
        _spent_figure("Retraining took", "minutes", window, found),
        _spent_figure("Energy of retraining", "joules", window, found),
    )  # fmt: skip


def _made(window: Window, found: Iterable[Proposal]) -> list[Proposal]:
    since, until = _seconds(window)
    return [one for one in found if since <= one.created_at < until]


def _ended(window: Window, found: Iterable[Proposal], state: str) -> list[Proposal]:
    since, until = _seconds(window)
    return [one for one in found if one.state == state and since <= (one.ended_at or -1) < until]


def _seconds(window: Window) -> tuple[float, float]:
    return window.since.timestamp(), window.until.timestamp()


def _trained(found: Iterable[Proposal], since: float, until: float) -> list[Proposal]:
    """Return those that were accepted in a stretch of time and launched."""
    return [
        one
        for one in found
        if one.decided_at is not None and since <= one.decided_at < until
        and one.workflow is not None
    ]  # fmt: skip


def _spent_figure(label: str, what: _What, window: Window, found: Sequence[Proposal]) -> Figure:
    mine = _trained(found, *_seconds(window))
    now, known = _sum(what, mine)
    before, _ = _sum(what, _trained(found, *_seconds(window.before)))
    scale = 60.0 if what == "minutes" else 1.0
    return Figure(
        label, None if now is None else now * scale, None if before is None else before * scale,
        f"{TRAINED}; {known:,} of {len(mine):,} tell it", "s" if what == "minutes" else "J", "",
        "" if now is not None else f"None of {len(mine):,} tells it.",
    )  # fmt: skip


def _sum(what: _What, some: Sequence[Proposal]) -> tuple[float | None, int]:
    """Return what they took and how many tell it; nothing was spent where nothing trained."""
    values = [_took(what, one) for one in some]
    known = [one for one in values if one is not None]
    return (sum(known) if known or not some else None), len(known)


def _took(what: _What, one: Proposal) -> float | None:
    return one.took_minutes if what == "minutes" else one.took_joules


# Tables


def retrainings(asked: Asked, found: Sequence[Proposal]) -> Table:
    """Return each that was under way in the period, the newest first."""
    since, until = _seconds(asked.window)
    mine = [one for one in found if one.ended_at is None or one.ended_at >= since]
    metrics = {one.id: (one.primary_metric, one.goal) for one in asked.summaries}
    rows = [
        (
            at_of(round(one.created_at * 1000)), f"{one.id}: {one.name}", _short(one.why),
            _data(one.data), _decided(one), _cost(one), _outcome(one, until),
            _change(one, *metrics.get(one.project, (None, "max"))),
        )
        for one in mine
    ]  # fmt: skip
    shown, left = first(rows, _SHOWN)
    columns = ("proposed (UTC)", "retraining", "why", "with which data", "who decided, and why",
               "took (expected)", "what came of it", "change of the metric")  # fmt: skip
    empty = "Nothing was to be trained again."
    return Table("Retrainings", columns, shown, JOURNAL, empty, left)


def _short(text: str) -> str:
    return text if len(text) <= _WHY else f"{text[: _WHY - 1]}…"


def _data(data: Data) -> str:
    said = data.revision or "the folder as it was"
    newer = {True: "other than before", False: "the same as before", None: ""}[data.newer]
    return ", ".join(filter(None, (said, newer)))


def _decided(one: Proposal) -> str:
    if one.approved_by is None:
        asked = f"asked for by {one.requested_by}"
        return f"nobody yet; {one.refused}" if one.refused else f"nobody yet; {asked}"
    who = "the policy" if one.approved_by == BY_POLICY else one.approved_by
    verb = "dismissed it" if one.state == "dismissed" else "accepted it"
    return f"{who} {verb}" + (f": {one.reason}" if one.reason else "")


def _cost(one: Proposal) -> str:
    if one.workflow is None:
        return f"– ({_expected(one)})"
    minutes, joules = one.took_minutes, one.took_joules
    took = "time not known" if minutes is None else told(minutes * 60, "s")
    energy = "energy not known" if joules is None else told(joules, "J")
    return f"{took}, {energy} ({_expected(one)})"


def _expected(one: Proposal) -> str:
    def middle(found: Range | None, scale: float, unit: Literal["s", "J"]) -> str:
        return "not known" if found is None else told(found.median * scale, unit)

    return f"{middle(one.minutes, 60, 's')}, {middle(one.joules, 1, 'J')}"


def _outcome(one: Proposal, until: float) -> str:
    version = f", version {one.candidate}" if one.candidate is not None else ""
    why = one.judged or one.said
    if one.ended_at is not None and one.ended_at >= until:
        later = f"{one.state} on {at_of(round(one.ended_at * 1000))}"
        return f"under way at the end of the period; later {later}{version}"
    return f"{one.state}{version}" + (f": {_short(why)}" if why else "")


def _change(one: Proposal, metric: str | None, goal: Goal | None) -> str:
    if one.change is None:
        return "not known" if one.candidate is not None else "–"
    name = one.gain.metric if one.gain is not None else metric or "the metric"
    goal = one.gain.goal if one.gain is not None else goal
    return f"{name} {gained(one.change, goal)}" if goal else f"{name} {one.change:+.4g}"


def budgets(asked: Asked, found: Sequence[Proposal]) -> Table:
    """Return what projects allow, and what of it was spent in seven days."""
    until = min(asked.window.until, datetime.now(UTC)).timestamp()
    known = store.policies(asked.journal)
    week = bounds.counted([one for one in found if (one.decided_at or until) < until], until)
    named = sorted({one.project for one in week} | (set(known) & set(asked.projects)))
    rows = [
        _budget(project, known.get(project, Policy()), [w for w in week if w.project == project])
        for project in named
    ]
    shown, left = first(rows)
    columns = ("project", "who decides", "retrainings in seven days", "minutes of the budget",
               "joules of the budget")  # fmt: skip
    empty = "No project has a policy of its own, and none trained again in the last seven days."
    title = "Policies, and what was spent in the last seven days"
    return Table(title, columns, shown, JOURNAL, empty, left)


_MODES = {
    "off": "alerts lead to nothing", "propose": "an approver", "automatic": "the policy itself",
}  # fmt: skip


def _budget(project: str, policy: Policy, week: Sequence[Proposal]) -> tuple[str, ...]:
    return (
        project, _MODES[policy.mode], f"{len(week):,} of {policy.most_per_week:,}",
        _of_budget("minutes", week, policy.budget_minutes),
        _of_budget("joules", week, policy.budget_joules),
    )  # fmt: skip


def _of_budget(what: _What, week: Sequence[Proposal], most: float | None) -> str:
    values = [bounds.spent_by(what, one) for one in week]
    known = [one for one in values if one is not None]
    spent = sum(known) if known or not week else None
    said = "not known" if spent is None else f"{spent:,.4g}"
    bound = "(no bound)" if most is None else f"of {most:,.6g}"
    lacking = len(week) - len(known)
    more = f"; of {lacking:,} not known" if spent is not None and lacking else ""
    return f"{said} {bound}{more}"


def notes(found: Sequence[Proposal]) -> Iterator[str]:
    """Yield what to read the figures by."""
    yield (
        "A retraining counts as proposed when it was, and as promoted, dropped or failed when it "
        "ended. What it took counts where it was accepted; a budget counts what ended in seven "
        "days and, as expected, what goes on. The change of the metric is that of "
        "the new version minus that of the one before, each by its own evaluation."
    )
    if len(found) >= MOST:
        yield f"Only the newest {MOST:,} retrainings were counted."
