"""Service levels: what deployments promise, and what of it was kept in the period and before."""

from datetime import UTC, datetime, timedelta

from services.errors import PlatformError
from services.objectives import standing
from services.objectives.counting import MINUTE_S, Counter
from services.objectives.models import Standing, State, share
from services.objectives.watched import PER_MINUTE, watched
from services.reports.models import Asked, Figure, Section, Table, Window, first
from services.serving import in_service

SOURCE = "the prediction log, its labels, what the controller saw, the objectives in the journal"
_WORDS: dict[State, str] = {
    "missed": "missed", "at risk": "at risk", "unknown": "not known", "met": "met",
}  # fmt: skip
"""The worst first."""
_MOST = 60
_FRESH = timedelta(hours=1)
"""A period that ended no longer ago is told with what answers now."""


def section(asked: Asked) -> Section:
    """Return the section."""
    today = datetime.now(UTC)
    until = min(asked.window.until, today).timestamp()
    counter = Counter(asked.home)
    now = _standing(asked, until, counter, of_now=today - asked.window.until < _FRESH)
    before = _standing(asked, asked.window.since.timestamp(), counter, of_now=False)
    return Section(
        "levels",
        "Service levels",
        tuple(_counted(now, before, state) for state in _WORDS) if now else (),
        (),
        (_objectives(asked, now, before, counter),),
        (
            "Each objective counts over a window of its own that ends with the period, as it is "
            "set now; how it stood before is how it stood when the period began. What was kept in "
            "the period counts its own requests alone, whichever version answered them. Where too "
            "few asked, too little was watched or too few labels came, it is not known whether an "
            "objective is met. Objectives of accuracy have no budget.",
        ),
    )


def _standing(asked: Asked, at: float, counter: Counter, *, of_now: bool) -> tuple[Standing, ...]:
    return standing(
        asked.home, asked.journal, projects=asked.projects, now=at, counter=counter, of_now=of_now
    )


def _counted(now: tuple[Standing, ...], before: tuple[Standing, ...], state: State) -> Figure:
    count, then = (sum(one.state == state for one in some) for some in (now, before))
    better = {"missed": "less", "at risk": "less", "met": "more"}.get(state, "")
    return Figure(f"Objectives {_WORDS[state]}", count, then, SOURCE, "", better)  # type: ignore[arg-type]  # one of Better


def _objectives(
    asked: Asked, now: tuple[Standing, ...], before: tuple[Standing, ...], counter: Counter
) -> Table:
    order = list(_WORDS)
    was = {(one.name, one.objective.kind): one for one in before}
    rows = [
        (one.name, one.objective.said, _achieved(one), _left(one), _WORDS[one.state], one.said,
         _kept(asked, one, asked.window, counter),
         _kept(asked, one, asked.window.before, counter),
         _stood(was.get((one.name, one.objective.kind))))
        for one in sorted(now, key=lambda one: order.index(one.state))
    ]  # fmt: skip
    shown, left = first(rows, _MOST)
    columns = ("deployment", "promised", "achieved", "budget left", "state", "how it stands",
               "in the period", "in the one before", "when the period began")  # fmt: skip
    return Table("Objectives", columns, shown, SOURCE, "Nothing is in service.", left)


def _achieved(one: Standing) -> str:
    if one.achieved is None:
        return "not known"
    if one.objective.kind != "accuracy":
        return share(one.achieved)
    between = "" if one.low is None or one.high is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"{one.achieved:.4g}{between}"


def _left(one: Standing) -> str:
    if one.objective.kind == "accuracy":
        return "–"
    return "not known" if one.budget_left is None else f"{one.budget_left * 100:.3g} %"


def _stood(one: Standing | None) -> str:
    return "not known" if one is None else f"{_WORDS[one.state]}, {_achieved(one)}"


def _kept(asked: Asked, one: Standing, window: Window, counter: Counter) -> str:
    """Return what was achieved in a stretch of time, and of how many."""
    since, until = window.since.timestamp(), window.until.timestamp()
    try:
        if one.objective.kind == "accuracy":
            return _right(asked, one, since, until)
        if one.objective.kind == "availability":
            return _watched(asked, one, since, until)
        bound = one.objective.bound_ms
        # The counter takes both minutes whole: the last one is that before the end.
        minutes = counter.minutes(one.project, one.model, since, until - MINUTE_S, bound)
    except PlatformError as error:
        return error.message
    found = minutes.within(since, until - MINUTE_S, one.objective.kind)
    if not found.requests:
        return "nobody asked"
    return f"{share(1 - found.bad / found.requests)} of {found.requests:,}"


def _watched(asked: Asked, one: Standing, since: float, until: float) -> str:
    mine = watched(in_service.read(asked.home).get(one.name, ())).within(since, until)
    if not mine.requests:
        return "nobody watched"
    minutes = mine.requests / PER_MINUTE
    return f"{share(1 - mine.bad / mine.requests)} of {minutes:,.0f} minutes"


def _right(asked: Asked, one: Standing, since: float, until: float) -> str:
    from services.monitoring import accuracy  # SciPy with it: only where accuracy was promised

    of = asked.home, one.project, one.model
    wanted = one.objective.metric
    found = accuracy.read(*of, since, until, until - since, metric=wanted).overall
    return "no label" if found is None else f"{found.metric} {found.value:.4g} of {found.rows:,}"
