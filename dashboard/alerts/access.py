"""What the page reads, limited to the scope and to what the person may see."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.alerts.address import ALERT, FIND, KIND, QUIET, SEVERITY
from dashboard.scope import Scope
from services.actions.roles import sees
from services.alerting import asking, channels, outbox, store
from services.alerting.asking import Place
from services.alerting.models import Alert, Channel, Message, Note, Silence
from services.errors import NotFoundError
from services.retraining import outcomes
from services.retraining.outcomes import Outcome

_MESSAGES = 100
_SPAN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Filter:
    """What the inbox is to show."""

    words: str
    severities: tuple[str, ...]
    kinds: tuple[str, ...]
    quiet: bool
    """Also what is silenced, or explained by another alert."""

    @property
    def narrow(self) -> bool:
        """Whether it leaves anything out that needs somebody."""
        return bool(self.words or self.severities or self.kinds)


def wanted() -> Filter:
    """Return what the address asks for."""
    query = st.query_params
    return Filter(
        query.get(FIND, "").strip(),
        tuple(query.get_all(SEVERITY)),
        tuple(query.get_all(KIND)),
        query.get(QUIET, "") == "true",
    )


def named() -> int | None:
    """Return the number of the alert in the address, None when there is none."""
    said = st.query_params.get(ALERT, "")
    return int(said) if said.isdecimal() and len(said) < 18 else None


def seen(where: Scope) -> tuple[str, ...] | None:
    """Return the projects of the scope that the person may see, None for all and the platform."""
    mine = state.visible_projects()
    if where.project is None:
        return mine
    return (where.project,) if mine is None or where.project in mine else ()


def places(where: Scope, words: str = "") -> tuple[Place, ...]:
    """Return where each open alert of the scope stands.

    Raises:
        JournalError: The journal cannot be read.
    """
    return asking.places(state.journal(), seen(where), words=words)


def places_of(projects: Sequence[str] | None) -> tuple[Place, ...]:
    """Return where each open alert of some projects stands, None for all.

    Raises:
        JournalError: The journal cannot be read.
    """
    return asking.places(state.journal(), projects)


def read(ids: Sequence[int]) -> list[Alert]:
    """Return alerts in the order of their ids; one that is gone is left out.

    Raises:
        JournalError: The journal cannot be read.
    """
    found = asking.by_id(state.journal(), ids)
    return [found[one] for one in ids if one in found]


def one(alert_id: int) -> Alert:
    """Return an alert the person may see.

    Raises:
        NotFoundError: There is none of this number in what the person may see.
        JournalError: The journal cannot be read.
    """
    found = store.alert(state.journal(), alert_id)
    if not sees(state.actor(), found.project):
        raise NotFoundError(f"There is no alert {alert_id}.", "`mlops alerts list` lists them.")
    return found


def explaining(found: Sequence[Alert]) -> dict[str, Alert]:
    """Return by key the open alerts that explain some of these, as far as the person sees them."""
    keys = [one.inhibited_by for one in found if one.inhibited_by is not None]
    actor = state.actor()
    read_ = asking.by_key(state.journal(), keys) if keys else {}
    return {key: one for key, one in read_.items() if sees(actor, one.project)}


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one alert."""

    alert: Alert
    notes: tuple[Note, ...]
    messages: tuple[Message, ...]
    led_to: Outcome
    by: Alert | None
    """The alert that explains it."""
    silence: Silence | None
    """The silence that keeps it quiet."""
    before: tuple[Alert, ...]
    """Earlier alerts of the same key, the newest first."""


def story(alert_id: int) -> Story:
    """Return the whole story of an alert.

    Raises:
        NotFoundError: See ``one``.
        JournalError: The journal cannot be read.
    """
    journal, alert = state.journal(), one(alert_id)
    by = explaining([alert]).get(alert.inhibited_by or "")
    silence = None
    if alert.silence is not None:
        known = store.silences(journal)
        silence = next((one for one in known if one.id == alert.silence), None)
    earlier = store.alerts(journal, ended=True, key=alert.key, before=alert.id, limit=5)
    return Story(
        alert, store.notes(journal, alert_id),
        outbox.messages(journal, alert=alert_id, limit=_MESSAGES),
        led_to([alert])[alert.id], by, silence, earlier,
    )  # fmt: skip


def led_to(found: Sequence[Alert]) -> Mapping[int, Outcome]:
    """Return what each of some alerts led to.

    Raises:
        JournalError: The journal cannot be read.
    """
    return outcomes.of_alerts(state.journal(), found)


def span(where: Scope, now: float) -> tuple[float, float]:
    """Return the time that is looked at: the range, a day when it is all of it."""
    return (now - _SPAN_S if where.since is None else where.since.timestamp()), now


def lasting(where: Scope, begin: float, end: float, limit: int) -> tuple[Alert, ...]:
    """Return the alerts of the scope that lasted within a time, the newest first."""
    return asking.lasting(state.journal(), seen(where), begin, end, limit=limit)


def history(where: Scope, words: str, before: int | None, limit: int) -> tuple[Alert, ...]:
    """Return the alerts of the scope, also those that ended, the newest first."""
    since = 0.0 if where.since is None else where.since.timestamp()
    return asking.history(
        state.journal(), seen(where), words=words, since=since, before=before, limit=limit
    )


def silences(where: Scope) -> tuple[Silence, ...]:
    """Return the silences of the scope, the newest first: of a project, or of all that is seen."""
    mine, actor = seen(where), state.actor()
    return tuple(
        one
        for one in store.silences(state.journal())
        if sees(actor, one.project) and (mine is None or one.project is None or one.project in mine)
    )


def covered(silence: Silence, found: Sequence[Place]) -> list[Place]:
    """Return the open alerts that a silence is about."""
    return [one for one in found if silence.covers(one.key, one.project)]


@dataclass(frozen=True, slots=True)
class Told:
    """A channel and how it does."""

    channel: Channel
    last: Message | None
    """The newest message that arrived there, or did not."""
    waiting: int
    """Messages that wait to be sent."""


def told() -> tuple[Told, ...]:
    """Return all channels with what the person may know of them.

    Raises:
        JournalError: The journal cannot be read.
    """
    journal, mine = state.journal(), state.visible_projects()
    last, waiting = asking.last_messages(journal), asking.waiting(journal)
    return tuple(
        Told(one, last.get(one.name), waiting.get(one.name, 0))
        for one in channels.channels(journal)
        if mine is None or one.projects is None or set(mine) & set(one.projects)
    )


def now() -> float:
    """Return this moment, in seconds since 1970."""
    return time.time()
