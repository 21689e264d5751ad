"""Labels of the last day: how many came, and how many of them fit nothing.

A label that names a request which is not in the prediction log is *unknown*: it is told of whose
key said it, for it has no model. One that stands beside an answer it cannot be held against, or is
a class that the model never answered, is *wrong*: it is told of its model.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.home import Home
from services.monitoring import hashed, labels, measures
from services.monitoring.labels import Labelled
from services.predictions import monitoring as log
from services.predictions import parquet, querying
from services.predictions.folder import Folder
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

DAY_S, HOUR_S = 86_400.0, 3600.0
SETTLED_S = 900.0
"""A label that is younger may still find its prediction: it is looked up again each ten minutes."""
_COLUMNS = ("id", "said_at", "project")
_AHEAD_S = 300.0
"""Clocks differ by less."""

_Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """How many labels came in a stretch of time, and how many of them fit nothing."""

    came: int = 0
    bad: int = 0

    @property
    def share(self) -> float:
        """Return the share that fits nothing, 0 to 1; 0 of none."""
        return self.bad / self.came if self.came else 0.0


@dataclass(frozen=True, slots=True)
class Unknown:
    """Labels of requests that are not in the log. Times: seconds since 1970."""

    project: str
    """Of the key that said them; empty: of keys that open all projects."""
    day: Part
    """Among all labels of the project (of all projects where it is empty)."""
    hour: Part
    """The last one of ``day``."""
    kept: int
    """All that are kept, however old; each request once."""
    since: float
    """When the oldest of ``kept`` was said."""
    newest: float
    removed: int
    """Of ``kept``: the request is older than the oldest prediction that is kept."""
    ahead: int
    """Of ``kept``: the id says a time to come, which no request of ours has."""

    @property
    def reasons(self) -> str:
        """Return why they may be unknown, as sentences: what the ids tell goes first."""
        found = []
        if self.removed:
            found.append(f"{self.removed:,} are of requests older than what the log still keeps.")
        if self.ahead:
            found.append(f"{self.ahead:,} have an id of a time to come: it is of no answer.")
        rest = self.kept - self.removed - self.ahead
        if rest > 0:
            found.append(
                f"{rest:,} may have a wrong id, be of another gateway, or be said with a key of "
                "another project than the request was."
            )
        return " ".join(found)

    @property
    def said(self) -> str:
        """Return how many there are, as a sentence."""
        whose = f"keys of {self.project}" if self.project else "keys that open all projects"
        return (
            f"{self.day.bad:,} of {self.day.came:,} labels of the last day ({self.day.share:.0%}), "
            f"said with {whose}, name a request that the prediction log does not have: they count "
            f"for no accuracy. {self.kept:,} such labels are kept, the oldest of "
            f"{_moment(self.since)}, the newest of {_moment(self.newest)} UTC."
        )


@dataclass(frozen=True, slots=True)
class Fitting:
    """Labels that stand beside an answer of a model."""

    project: str
    model: str
    day: Part
    """Of those whose content is kept: of what privacy drops nobody can tell whether it fits."""
    hour: Part
    """The last one of ``day``."""
    matched_day: int
    """All that stand beside an answer, dropped ones too."""
    matched_hour: int
    unusable: int
    """Of ``day.bad``: cannot be held against the answer (another number of rows, a text for a
    figure, no such output); the others are classes that it never answered."""
    newest: float

    @property
    def said(self) -> str:
        """Return how many fit no answer, as a sentence."""
        return (
            f"{self.day.bad:,} of {self.day.came:,} labels of the last day ({self.day.share:.0%}) "
            "fit no answer."
        )

    @property
    def reasons(self) -> str:
        """Return in which way they fit none, as sentences."""
        found, strange = [], self.day.bad - self.unusable
        if self.unusable:
            found.append(
                f"{self.unusable:,} cannot be held against the answer: another number of rows, "
                "another output, no answer at all, or a text where a figure was answered."
            )
        if strange:
            found.append(f"{strange:,} are of a class that the model never answered.")
        return " ".join(found)


@dataclass(frozen=True, slots=True)
class Fit:
    """What came in the day until ``until``."""

    until: float
    unknown: tuple[Unknown, ...] = ()
    models: tuple[Fitting, ...] = ()

    def of(self, project: str, model: str) -> Fitting | None:
        """Return the labels of a model, None where none came."""
        return next((o for o in self.models if (o.project, o.model) == (project, model)), None)

    def unknown_of(self, project: str) -> Unknown | None:
        """Return those that keys of a project said, None where there are none."""
        return next((one for one in self.unknown if one.project == project), None)

    def parts_of(self, project: str) -> tuple[Part, Part]:
        """Return the day and its last hour of what keys of a project said, or all (empty)."""
        one = self.unknown_of(project)
        if one is not None:
            return one.day, one.hour
        mine = [each for each in self.models if project in ("", each.project)]
        day, hour = (
            sum(each.matched_day for each in mine),
            sum(each.matched_hour for each in mine),
        )
        return Part(day), Part(hour)


@dataclass(frozen=True, slots=True)
class _File:
    """The labels of a file of unknown ones; three columns and a mask of one length."""

    table: "pa.Table"
    asked_at: NDArray[np.float64]
    """When each request was made, by its id; NaN: it does not tell."""


@dataclass(slots=True)
class LabelFits:
    """Counts them; any thread may ask. A file is read once, as long as it is as it was."""

    home: Home
    _known: dict[tuple[str, int, int], _File] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def counts(self, now: float) -> Fit:
        """Return what came in the day until a quarter of an hour before ``now``.

        Raises:
            PlatformError: The prediction log cannot be read.
        """
        until = now - SETTLED_S
        models = []
        for project, model in log.labelled_models(self.home, until - DAY_S):
            found = _fitting(self.home, project, model, until)
            if found is not None:
                models.append(found)
        return Fit(until, self._unknown(until, now, models), tuple(models))

    def _unknown(self, until: float, now: float, models: Sequence[Fitting]) -> tuple[Unknown, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        def ask(folder: Folder, look: Look) -> tuple[list[_File], list[str], float | None]:
            files = self._files([p for p in folder.unknown_files() if p.stem not in look.names])
            days = [one.day for one in folder.rows() if one.files(look.names)]
            waiting = look.table()["id"].to_pylist() if files else []
            return files, waiting, _begin(min(days)) if days else None

        files, waiting, oldest = querying.consistently(self.home, ask)
        if not files:
            return ()
        table = pa.concat_tables([one.table for one in files])
        asked_at = np.concatenate([one.asked_at for one in files])
        table = table.append_column("asked_at", pa.array(asked_at))
        last = table.group_by(["project", "id"]).aggregate(
            [("said_at", "max"), ("said_at", "min"), ("asked_at", "max")]
        )
        newest, first = (
            last[f"said_at_{end}"].cast(pa.int64()).to_numpy() / 1e6 for end in ("max", "min")
        )
        asked = last["asked_at_max"].to_numpy()
        there = newest < until
        there &= ~pc.is_in(last["id"], pa.array(waiting, pa.string())).to_numpy()
        found = []
        for project in sorted(last["project"].unique().to_pylist()):
            mine = there & pc.equal(last["project"], project).to_numpy()
            if not mine.any():
                continue
            beside = [one for one in models if project in ("", one.project)]
            found.append(
                Unknown(
                    project,
                    _part(newest[mine], until, DAY_S, sum(one.matched_day for one in beside)),
                    _part(newest[mine], until, HOUR_S, sum(one.matched_hour for one in beside)),
                    int(mine.sum()),
                    float(first[mine].min()),
                    float(newest[mine].max()),
                    0 if oldest is None else int((asked[mine] < oldest).sum()),
                    int((asked[mine] > now + _AHEAD_S).sum()),
                )
            )
        return tuple(found)

    def _files(self, paths: Sequence[Path]) -> list[_File]:
        found: dict[tuple[str, int, int], _File] = {}
        for path in paths:
            seen = path.stat()
            key = path.name, seen.st_size, seen.st_mtime_ns
            found[key] = self._known.get(key) or _read(path)
        with self._guard:
            self._known = found
        return list(found.values())


def _part(said_at: NDArray[np.float64], until: float, length_s: float, fitting: int) -> Part:
    bad = int((said_at >= until - length_s).sum())
    return Part(fitting + bad, bad)


def _fitting(home: Home, project: str, model: str, until: float) -> Fitting | None:
    table = log.arrived(home, project, model, until - DAY_S, until)
    if not len(table):
        return None
    import pyarrow as pa

    said_at = table["said_at"].cast(pa.int64()).to_numpy() / 1e6
    lately = said_at >= until - HOUR_S
    told = np.array([one != "dropped" for one in table["kept"].to_pylist()], dtype=bool)
    unusable, strange = (one & told for one in _bad(labels.paired(table), len(table)))
    bad = unusable | strange
    return Fitting(
        project, model, Part(int(told.sum()), int(bad.sum())),
        Part(int((told & lately).sum()), int((bad & lately).sum())),
        len(table), int(lately.sum()), int(unusable.sum()), float(said_at.max()),
    )  # fmt: skip


def _bad(found: Labelled, count: int) -> tuple[_Bools, _Bools]:
    """Return which of ``count`` labels cannot be used, and which name no class that was answered.

    Of texts that a model writes none is the label's, so nothing is told of classes there; nor where
    hashes are kept, for the label may be written another way than the answer.
    """
    unusable, strange = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    unusable[found.label_of] = False
    answered = set(found.prediction)
    names = {*found.target, *answered}
    few = found.task == "classification" and len(names) <= measures.CLASSES
    if few and not any(map(hashed.is_hash, names)):
        new = np.array([one not in answered for one in found.target], dtype=bool)
        strange[found.label_of[new]] = True
    return unusable, strange


def _read(path: Path) -> _File:
    table = parquet.read(path, _COLUMNS)
    asked = [_asked_at(one) for one in table["id"].to_pylist()]
    return _File(table, np.array(asked, dtype=float))


def _asked_at(request_id: str | None) -> float:
    plain = (request_id or "").replace("-", "")
    if len(plain) != 32 or plain[12] != "7":
        return float("nan")
    try:
        return int(plain[:12], 16) / 1000
    except ValueError:
        return float("nan")


def _begin(day: str) -> float:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%-d %b %H:%M}"
