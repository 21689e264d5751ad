"""What is marked as bad, seen from the things that came of it: said wherever they are used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.errors import NotFoundError
from services.lineage import walking
from services.lineage.asking import Lineage, Spoilt
from services.lineage.models import Mark, Ref, Thread
from services.lineage.radius import Affected

Flags = tuple["Flag", ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Why a thing is suspect: it is marked as bad, or what it came from is."""

    ref: Ref
    """The thing."""
    mark: Mark
    sure: bool = True
    """False: it may have come from it, and nobody can tell."""
    why: str = ""
    """What lies between, as words; empty: nothing, or it is not known."""
    holds: bool = True
    """Whether files of what is bad, or answers without a label, are in it or in its data. False: it
    only loaded what is bad, as an evaluation does, was set off by it, or learned from labels of
    what it was asked: that is shown, and holds nothing up."""

    @property
    def itself(self) -> bool:
        """Return whether the mark is its own."""
        return self.ref == self.mark.ref

    def said(self, project: str) -> str:
        """Return it as a sentence for people of a project: reasons of other projects are theirs."""
        own = self.mark.project in {None, project}
        who = f"{self.mark.by} marked as bad" if own else "is marked as bad in another project"
        because = f": {_sentence(self.mark.reason)}" if own else "."
        if self.itself:
            told = f"is marked as bad by {self.mark.by}" if own else who
            return f"{_named(self.ref)} {told}{because}"
        came = "came from" if self.sure else "may have come from"
        between = f" ({self.why})" if self.why else ""
        return f"{_named(self.ref)} {came} {self.mark.ref.id[:80]}{between}, which {who}{because}"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """All that speaks against a thing."""

    flags: Flags = ()
    unknown: tuple[str, ...] = ()
    """Sentences: what could not be asked or compared, so that more may speak against it."""

    def said(self, project: str) -> tuple[str, ...]:
        """Return it as sentences for people of a project."""
        flags = tuple(one.said(project) for one in self.flags)
        return (*flags, self.untold) if self.unknown else flags

    @property
    def untold(self) -> str:
        """Return that it cannot be told, and the first reason; empty: all is known."""
        return untold(self.unknown[0]) if self.unknown else ""


def untold(why: str) -> str:
    """Return the sentence for what nobody can tell."""
    return f"Whether it came from what is marked as bad cannot be told: {why}"


def of_versions(marked: Iterable[Spoilt]) -> Mapping[Ref, Flags]:
    """Return by version why it is suspect: all versions, in service or not."""
    found: dict[Ref, Flags] = {}
    for each in marked:
        for one in each.radius.versions:
            flag = Flag(one.ref, each.mark, one.sure, one.why, holds(one))
            found[one.ref] = (*found.get(one.ref, ()), flag)
    return {ref: _first(flags) for ref, flags in found.items()}


def of(here: Lineage, ref: Ref) -> Suspicion:
    """Return why a thing is suspect, what is certain first; of a version all that is known.

    Raises:
        InputError: The id is none of its kind's.
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    marks = here.marks()
    if not marks:
        return Suspicion()
    if ref.kind == "version":
        return _of_version(here.spoilt(), ref)
    try:
        thread = here.thread(ref, ("up",))
    except NotFoundError:  # nobody knows where it came from
        return Suspicion((Flag(ref, marks[ref]),) if ref in marks else ())
    bad = {one.id: one.mark for one in thread.nodes if one.mark is not None}
    sure = {ref.id, *thread.start.under} & bad.keys()
    perhaps = (set(thread.start.perhaps) & bad.keys()) - sure
    holding = walking.holding(thread)
    flags = [Flag(ref, bad[one]) for one in sorted(sure)]
    flags += [
        Flag(ref, bad[one], sure=False, why=_between(thread, one), holds=one in holding)
        for one in sorted(perhaps)
    ]
    return Suspicion(_first(flags), thread.unknown)


def _between(thread: Thread, bad: str) -> str:
    """Return over what a thing may have come from a bad one: the last links to it."""
    nodes = {one.ref: one for one in thread.nodes}
    last = (
        f"{one.before.id} {one.how} it"
        for one in thread.links
        if one.after == thread.start.ref and one.carries != "none"
        and bad in {one.before.id, *nodes[one.before].under, *nodes[one.before].perhaps}
    )  # fmt: skip
    return ", ".join(last)


def _of_version(spoilt: tuple[Spoilt, ...], ref: Ref) -> Suspicion:
    """Return why a version is suspect: what is not known of a mark that reaches it adds nothing."""
    flags = of_versions(spoilt).get(ref, ())
    reached = {one.mark for one in flags if one.holds}
    unknown = (said for one in spoilt if one.mark not in reached for said in one.radius.unknown)
    return Suspicion(flags, tuple(dict.fromkeys(unknown)))


def holds(one: Affected) -> bool:
    """Return whether a version surely came from it, or its data hold something of it.

    Files, or answers that have no label: where all have one, what was right is learned.
    """
    return one.sure or one.way.held is not None or one.way.learned


def word(flags: Flags) -> str:
    """Return the word for it, as on the page of lineage; empty: nothing is known against it."""
    if any(one.itself for one in flags):
        return "bad"
    if any(one.sure for one in flags):
        return "from bad"
    return "maybe from bad" if flags else ""


def as_json(flags: Flags) -> dict[str, Any]:
    """Return it in the documented shape: ids of what is marked."""
    return {
        "came_from_bad": [one.mark.ref.id for one in flags if one.sure],
        "maybe_from_bad": [one.mark.ref.id for one in flags if not one.sure],
    }


def _first(flags: Iterable[Flag]) -> Flags:
    return tuple(sorted(flags, key=lambda one: (not one.itself, not one.sure, not one.holds)))


def _named(ref: Ref) -> str:
    if ref.kind == "version":
        project, model, number = ref.numbered
        return f"Version {number} of {project}.{model}"
    return f"The {ref.kind} {ref.key[:64]}"


def _sentence(text: str) -> str:
    said = " ".join(text.split())
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."
