"""Versions that answer requests and came from what is marked as bad: one alert a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from services.alerting.models import Event, key_of
from services.lineage.flagged import Flags

KIND = "lineage"


@dataclass(frozen=True, slots=True)
class Answering:
    """A version that requests reach now."""

    project: str
    model: str
    version: int
    serving: str
    """live, canary or shadow."""
    flags: Flags
    """Why it is suspect, as far as files of what is bad are in it; empty: it is not."""
    earlier: int | None = None
    """The version that was live before and is not suspect; None: there is none."""
    known: bool = True
    """Whether the registry knows it; of another nobody can tell where it came from."""

    @property
    def sure(self) -> bool:
        """Return whether it surely came from what is bad."""
        return any(one.sure for one in self.flags)


def events(
    answering: Sequence[Answering],
    now: float,
    open_keys: frozenset[str],
    unknown: Sequence[str] = (),
) -> tuple[Event, ...]:
    """Return what is to be said of what is in service.

    Args:
        answering: All versions that requests reach.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of this kind that are open.
        unknown: Sentences: what could not be compared with what is marked.
    """
    by_key: dict[str, list[Answering]] = {}
    for one in answering:
        by_key.setdefault(key_of(KIND, one.project, one.model), []).append(one)
    found = [_event(key, those, now) for key, those in by_key.items() if _worst(those).flags]
    said = {one.key for one in found}
    return (*found, *_over(by_key, open_keys - said, now, unknown))


def _over(
    by_key: Mapping[str, Sequence[Answering]], keys: frozenset[str], now: float,
    unknown: Sequence[str],
) -> list[Event]:  # fmt: skip
    """Return what is said of open alerts of which nothing suspect answers any more."""
    told: list[Event] = []
    for key in sorted(keys):
        those = by_key.get(key, ())
        strange = next((one.version for one in those if not one.known), None)
        if not those:
            told.append(Event(key, now, "ok", said="It is in service no more."))
        elif strange is not None:
            said = f"The registry does not know version {strange}, so what it came from is unknown."
            told.append(Event(key, now, "unknown", said=said))
        elif unknown:
            told.append(Event(key, now, "unknown", said=unknown[0]))
        else:
            which = " and ".join(str(one.version) for one in those)
            said = f"Now answers version {which}: nothing that it came from is marked as bad."
            told.append(Event(key, now, "ok", said=said))
    return told


def _worst(those: Sequence[Answering]) -> Answering:
    return min(those, key=lambda one: (not one.sure, not one.flags, one.serving != "live"))


def _event(key: str, those: Sequence[Answering], now: float) -> Event:
    one = _worst(those)
    suspect = [each for each in those if each.flags]
    name, flags = f"{one.project}.{one.model}", one.flags
    came = "came from" if one.sure else "may have come from"
    how = {"canary": " as a canary", "shadow": " as a shadow"}.get(one.serving, "")
    others = "".join(f" So does version {each.version} ({each.serving})." for each in suspect
                     if each is not one)  # fmt: skip
    itself = flags[0].itself
    what = "is marked as bad" if itself else f"{came} what is marked as bad"
    return Event(
        key, now, "firing",
        "critical" if one.sure else "warning", one.project,
        title=f"Version {one.version} of {one.model} answers requests and {what}",
        said=f"Version {one.version} of {name} answers requests{how}, and {what}.{others}",
        cause=flags[0].said(one.project),
        suggestion=_suggestion(one),
        link=f"/lineage?id={quote(f'version:{one.project}/{one.model}:{one.version}')}",
        labels={
            "project": one.project, "model": one.model, "endpoint": name,
            "version": str(one.version), "marked": flags[0].mark.ref.id,
        },
        evidence=tuple(flag.said(one.project) for each in suspect for flag in each.flags),
    )  # fmt: skip


def _suggestion(one: Answering) -> str:
    where = f"{one.project}/{one.model}"
    again = f"`mlops retrain propose {where} --why TEXT` trains another one"
    if one.serving != "live":
        first = f"`mlops rollout {where} --abort` ends it."
    elif one.earlier is not None:
        first = (
            f"`mlops rollback {where} --to {one.earlier}`: version {one.earlier} is not suspect."
        )
    else:
        first = f"No version that was live before is free of it: {again} with other data."
        again = ""
    then = f" {again}; choose other data when it is accepted." if again else ""
    marked = one.flags[0].mark.ref.id
    return f"{first}{then} When it is not bad: `mlops lineage unmark {marked} --reason WHY`."
