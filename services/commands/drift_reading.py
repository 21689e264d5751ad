"""What ``mlops drift`` shows: deployments with the newest verdicts, objectives, and how fresh."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from services.commands import drift_labels, objectives
from services.commands.acting import context
from services.commands.output import say
from services.errors import InputError, NotFoundError, PlatformError
from services.home import Home
from services.monitoring import baselines, record
from services.monitoring.baselines import Chosen
from services.monitoring.labels_fit import Fit, LabelFits
from services.monitoring.models import Baseline, Family, Verdict, is_moved
from services.monitoring.record import Looked
from services.monitoring.store import Summary, VerdictStore
from services.objectives import asking, levels
from services.objectives.asking import Told
from services.objectives.models import Standing
from services.predictions import freshness
from services.serving import figures
from services.serving import store as deployments_store

if TYPE_CHECKING:
    from services.serving.models import Endpoint

_KINDS: tuple[Family, ...] = ("data", "prediction", "quality", "accuracy")
_SEVERITIES = ("none", "low", "medium", "high")
_OBJECTIVES = {"at risk": 2, "missed": 3}
"""Of drift's severities, that which an objective weighs as much as."""
_BADNESS = {"steady": 0, "unknown": 1, "too few": 2, "drifted": 3}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment, and what is known of its drift."""

    project: str
    model: str
    versions: tuple[int, ...]
    """That answer: the live one first, then a canary."""
    verdicts: tuple[Verdict, ...]
    """The newest of each version and kind."""
    looked: tuple[Looked, ...]
    """What came of the last look at each version."""
    chosen: Chosen | None
    standings: tuple[Standing, ...]
    """How it stands with its objectives."""
    predicted_at: float | None
    """When it was last asked, as far as is known."""
    labelled_at: float | None
    """When its last label came."""
    fit: Fit | None
    """What labels of the last day fit nothing; None: they cannot be read."""
    store: VerdictStore
    now: float

    @property
    def name(self) -> str:
        """Return its endpoint's name."""
        return f"{self.project}.{self.model}"

    @property
    def versions_said(self) -> str:
        """Return its versions as a phrase."""
        live, *others = self.versions
        return f"version {live}" + "".join(f" and {one} (canary)" for one in others)

    @property
    def baseline(self) -> Baseline:
        """Return what it is compared with."""
        return Baseline() if self.chosen is None else self.chosen.baseline

    @property
    def worst(self) -> Verdict | None:
        """Return the verdict that says most: drifted before all else, then what is known."""
        found = [one for one in self.verdicts if one.state == "drifted"]
        if not found:  # accuracy is unknown wherever no labels come; inputs are what is told first
            found = [one for one in self.verdicts if one.kind == "data"] or list(self.verdicts)
        return max(found, key=_badness) if found else None

    @property
    def state(self) -> str:
        """Return the one word for it; ``failed``: it could not be checked."""
        if any(one.error for one in self.looked):
            return "failed"
        return self.worst.state if self.worst is not None else "not checked"

    @property
    def severity(self) -> str | None:
        """Return how bad it is."""
        return self.worst.severity if self.worst is not None else None

    @property
    def share(self) -> float | None:
        """Return the share of columns that drifted."""
        return self.worst.share if self.worst is not None else None

    @property
    def rows(self) -> int | None:
        """Return how many rows were compared."""
        return self.worst.rows if self.worst is not None else None

    @property
    def age_s(self) -> float | None:
        """Return how old the newest verdict is."""
        at = max((one.computed_at for one in self.verdicts), default=None)
        return None if at is None else self.now - at

    @property
    def level(self) -> Standing | None:
        """Return the objective that fares worst."""
        return levels.worst(self.standings)

    @property
    def said(self) -> str:
        """Return the sentence."""
        errors = [one.error for one in self.looked if one.error]
        if errors:
            return f"It could not be checked: {errors[0]}"
        if self.worst is None:
            return "It was not checked yet; `mlops drift check` does it now."
        return self.worst.said

    def begun(self, verdict: Verdict) -> float | None:
        """Return since when a version is drifted without a break, None when it is not."""
        return self.store.begun(self.project, self.model, verdict.kind, verdict.version)

    def history(self, kinds: Iterable[str], limit: int) -> tuple[Summary, ...]:
        """Return the verdicts of its last checks, newest first."""
        found = [
            one
            for kind in kinds
            for one in self.store.history(
                self.project, self.model, cast("Family", kind), limit=limit
            )
        ]
        return tuple(sorted(found, key=lambda one: (-one.computed_at, _KINDS.index(one.kind))))

    def shape(self) -> dict[str, Any]:
        """Return it in the documented JSON shape."""
        worst = self.worst
        computed = max((one.computed_at for one in self.verdicts), default=None)
        looked = max((one.at for one in self.looked), default=None)
        columns = () if worst is None else worst.columns
        return {
            "deployment": self.name,
            "project": self.project,
            "model": self.model,
            "versions": self.versions,
            "state": self.state,
            "severity": self.severity,
            "kind": None if worst is None else worst.kind,
            "version": None if worst is None else worst.version,
            "verdict": None if worst is None else worst.id,
            "share": self.share,
            "rows": self.rows,
            "columns": len(columns),
            "drifted_columns": [one.name for one in columns if is_moved(one.state)],
            "said": self.said,
            "computed_at": _moment(computed),
            "age_s": self.age_s,
            "looked_at": _moment(looked),
            "predicted_at": _moment(self.predicted_at),
            "labelled_at": _moment(self.labelled_at),
            "labels": self.fit and drift_labels.shape(self.fit, self.project, self.model),
            "objectives": [objectives.shape(one) for one in self.standings],
            "report": None if worst is None else worst.report,
            "baseline": {
                **self.baseline.as_json(),
                "since": _moment(self.baseline.since),
                "until": _moment(self.baseline.until),
                "said": baselines.said(self.baseline),
                "by": None if self.chosen is None else self.chosen.by,
                "at": None if self.chosen is None else _moment(self.chosen.at),
            },
            "kinds": [
                {
                    "kind": one.kind, "version": one.version, "verdict": one.id,
                    "state": one.state, "severity": one.severity, "share": one.share,
                    "rows": one.rows, "said": one.said, "computed_at": _moment(one.computed_at),
                    "held_to": one.held_to,
                }
                for one in self.verdicts
            ],
            "faults": [
                {"version": one.version, "error": one.error, "fault": one.fault, "hint": one.hint}
                for one in self.looked
                if one.error or one.fault
            ],
        }  # fmt: skip


def deployments(project: str | None = None) -> list[Deployment]:
    """Return what is in service, the worst first.

    Raises:
        NotFoundError: There is no such project.
        PlatformError: A store cannot be read.
    """
    return sorted(_read(_live(project)), key=_order)


def in_service(project: str | None = None) -> list[tuple[str, str]]:
    """Return (project, model) of what is in service, by name.

    Raises:
        NotFoundError: There is no such project.
        PlatformError: A store cannot be read.
    """
    return sorted((one.project, one.model) for one in _live(project))


def _live(project: str | None) -> "list[Endpoint]":
    here = context()
    if project is not None:
        here.mirror.project(project)
    wanted = deployments_store.endpoints(here.journal, None if project is None else [project])
    return [one for one in wanted if one.live is not None]


def deployment(name: str) -> Deployment:
    """Return one deployment.

    Raises:
        InputError: It is no name.
        NotFoundError: It is not in service.
        PlatformError: A store cannot be read.
    """
    project, model = named(name)
    found = deployments_store.endpoint(context().journal, f"{project}.{model}")
    if found.live is None:
        raise NotFoundError(
            f"{found.name} takes no requests yet: its first version is on its way.",
            f"`mlops deployments {project}/{model}` says how far it is.",
        )
    return _read([found])[0]


def named(text: str) -> tuple[str, str]:
    """Return project and model of ``PROJECT.MODEL``, or ``PROJECT/MODEL``.

    Raises:
        InputError: It is neither.
    """
    slash, dot = text.find("/"), text.find(".")
    place = slash if slash >= 0 and (dot < 0 or slash < dot) else dot
    project, model = text[:place], text[place + 1 :]
    if place <= 0 or not model:
        raise InputError(f"{text[:80]!r} names no deployment.", "Write PROJECT.MODEL.")
    return project, model


def _read(endpoints: "Sequence[Endpoint]") -> list[Deployment]:
    home = Home.locate()
    store, now = VerdictStore(home), time.time()
    chosen = baselines.all_chosen(context().journal)
    looked = record.read(home).looked
    newest = store.latest(by_version=True)
    names = [(one.project, one.model) for one in endpoints]
    told = _told(home, names)
    passing, labels, fit = figures.read(home), _labels(home), _fit(home, now)
    found = []
    for one in endpoints:
        assert one.live is not None  # noqa: S101 - those that answer
        versions = [one.live.version]
        if one.rollout is not None and one.rollout.strategy != "shadow":
            versions.append(one.rollout.target.version)
        mine = [
            each
            for each in newest
            if (each.project, each.model) == (one.project, one.model) and each.version in versions
        ]
        mine.sort(key=lambda each: (versions.index(each.version), _KINDS.index(each.kind)))
        of = told.get((one.project, one.model))
        asked = [
            *(passing.of(one.name, version).last_at for version in versions if passing),
            levels.asked_at(None if of is None else of.minutes),
        ]
        keys = [record.key_of(one.project, one.model, version) for version in versions]
        found.append(
            Deployment(
                one.project,
                one.model,
                tuple(dict.fromkeys(versions)),
                tuple(_whole(store, mine)),
                tuple(looked[key] for key in dict.fromkeys(keys) if key in looked),
                chosen.get(one.name),
                () if of is None else of.standings,
                max((at for at in asked if at is not None), default=None),
                labels.get((one.project, one.model)),
                fit,
                store,
                now,
            )
        )
    return found


def _told(home: Home, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Told]:
    """Return how deployments stand; of one the log of that one is read alone."""
    project, model = names[0] if len(names) == 1 else (None, None)
    projects = tuple({of for of, _ in names})
    found = asking.told(home, context().journal, project, model, projects=projects)
    return {(one.project, one.model): one for one in found}


def _labels(home: Home) -> Mapping[tuple[str, str], float]:
    """Return when last labels came; that they cannot be read hides no verdict."""
    try:
        return freshness.last_labels(home)
    except PlatformError as error:
        say(f"{error.message} {error.hint}", err=True)
        return {}


def _fit(home: Home, now: float) -> Fit | None:
    try:
        return LabelFits(home).counts(now)
    except PlatformError as error:
        say(f"{error.message} {error.hint}", err=True)
        return None


def _whole(store: VerdictStore, summaries: Iterable[Summary]) -> Iterator[Verdict]:
    for one in summaries:
        with contextlib.suppress(NotFoundError):  # its file is gone: it is not known any more
            yield store.verdict(one.id)


def _badness(one: Verdict) -> tuple[int, int]:
    return _BADNESS[one.state], _SEVERITIES.index(one.severity)


def _order(one: Deployment) -> tuple[int, str]:
    level = None if one.level is None else _OBJECTIVES.get(one.level.state)
    broken = 0 if level is None else -10 - level
    if one.worst is None or one.state == "failed":
        return (min(-2, broken), one.name)
    state, severity = _badness(one.worst)
    drifted = -10 - severity if state == _BADNESS["drifted"] else -state
    return (min(drifted, broken), one.name)


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
