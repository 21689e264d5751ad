"""Bring what a model was asked, with what was right, into its project's data."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from services.actions import data, serving
from services.actions.action import Context, Deed, Lane, Step
from services.actions.records import ActionRecord
from services.actions.roles import Actor, Role
from services.data.collected import collections, file_name, of_files, place
from services.data.folder import PARTS
from services.engines.dvc.models import Progress
from services.errors import ConflictError, InputError, PlatformError
from services.predictions import collected
from services.predictions.collected import Made
from services.predictions.collecting import MOST_ROWS, Collecting, Found, Wanted
from services.projects.contract import require

_WHY = {
    "hashed": "kept as hashes",
    "dropped": "not kept, as the project's privacy asks",
    "too-large": "too large to be kept",
    "unreadable": "no JSON",
}


@dataclass(frozen=True, slots=True)
class DataCollect:
    """Write rows of the prediction log to a file of the data, and make a version of it."""

    kind: ClassVar[str] = "data-collect"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "data"

    project: str
    model: str
    since: float
    """Seconds since 1970, as ``until``, which is not in it: when they were answered."""
    until: float | None = None
    """None: now."""
    labelled: bool = False
    """Only rows of which somebody told what was right."""
    least: int = 0
    """Fewer labelled rows that no earlier collection holds, and nothing is collected."""

    @property
    def title(self) -> str:
        """What it does."""
        rows = "labelled rows" if self.labelled else "rows"
        return f"Collect {rows} that {self.model[:120]} was asked"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def pinned(self, _context: Context) -> "DataCollect":
        """Fix until when it is."""
        return self if self.until is not None else replace(self, until=time.time())

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a project without a folder for data, a privacy against it, and no rows."""
        del actor
        self._folder(context)
        if not self.since < (self.until or time.time()):
            raise InputError("It begins before it ends.", "Choose an earlier begin.")
        self._check_privacy(context)
        found = self._found(context)
        if self.labelled and not found.labels:
            raise ConflictError(
                "No request of this time has a label that is kept as it came.",
                "Labels are sent to the gateway: docs/predictions.md. Or leave out --labelled.",
            )
        if not found.full:
            raise ConflictError(f"There is no row to collect: {_none(found)}.", _ELSE)
        if self.least:
            self._check_least(self.new(context))

    def new(self, context: Context) -> int:
        """Return how many labelled rows there are that no earlier collection holds, at most.

        A label that is not a value a row is found out when it is collected.

        Raises:
            PlatformError: The log, or an earlier collection, cannot be read.
        """
        wanted = replace(self._wanted, labelled=True)
        return Collecting(context.data.remote.home, wanted, self._known(context)).found().rows

    def _known(self, context: Context, but: Path | None = None) -> frozenset[str]:
        """Return the requests of which earlier collections have a label."""
        root = context.data.project(self.project).folder()
        found = collections(root, require(root), self.model)
        paths = [one.path for one in found if one.path != but]
        return frozenset(name for path in paths for name in collected.labelled_ids(path))

    def _check_least(self, new: int) -> None:
        if new < self.least:
            rows = "is 1 new labelled row" if new == 1 else f"are {new:,} new labelled rows"
            raise ConflictError(
                f"There {rows} of what {self.model} was asked; {self.least:,} are needed.",
                "Labels are sent to the gateway: docs/predictions.md.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = self._found(context)
        said = [
            f"Inputs, outputs and labels of {_count(found.full, 'request')} "
            f"({found.rows:,} rows; {_count(found.labels, 'label')}) become a file of the data of "
            f"{self.project}, and that a version.",
            "They stay in versions of the data when the prediction log forgets them.",
        ]
        if found.rows > MOST_ROWS:
            said.append(f"More than {MOST_ROWS:,} rows are not collected at once: the newest are.")
        if found.left_out:
            said.append(f"Left out: {_left_out(found.left_out)}.")
        folder, before = self._before(context)
        if before:
            said.append(f"{folder.name}/ has {before} already; what is in both is learned once.")
        return tuple(said)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; the file has a name of this deed's own, so that it is made once."""
        stamp = f"{_time(self.until or 0.0)}-{deed.id}"
        path = self._folder(context) / file_name(self.model, stamp)
        return (
            Step(
                "Collect the rows",
                partial(self._collect, context, path),
                partial(self._remove, context, path),
            ),
            Step("Track data", partial(self._track, context, deed, path)),
        )

    def _check_privacy(self, context: Context) -> None:
        now = serving.endpoint_of(context, self.project, self.model)
        if now is not None and now.privacy in {"hash", "off"}:
            raise ConflictError(
                f"The privacy of {now.name} is {now.privacy}: what it is asked is not to be kept "
                "as it came, and a version of the data would keep it.",
                "`mlops privacy PROJECT full` (approver) changes that for what comes.",
            )

    def _collect(self, context: Context, path: Path) -> str:
        self._check_privacy(context)  # it may have been changed since this was asked for
        project = context.data.project(self.project)
        told = project.reporting()
        with project.place.held():
            if path.exists():  # by a process that was killed before it could say so
                self._check_least_in(context, path)
                return f"data/{path.parent.name}/{path.name} is there"
            told(Progress("collecting", 0, None, 0, None))
            collecting = self._collecting(context)
            found = collecting.found()
            total = min(found.rows, MOST_ROWS)

            def tell(rows: int) -> None:
                told(Progress("collecting", min(rows, total), total, 0, None))

            made = collected.write(_part(path), path, collecting, self._wanted, tell)
            self._check_least_in(context, path)
        return _said(made, found, path)

    def _remove(self, context: Context, path: Path) -> None:
        """Take away the file of this deed: what failed must leave nothing of what was asked."""
        with context.data.project(self.project).place.held():
            try:
                path.unlink(missing_ok=True)
                _part(path).unlink(missing_ok=True)
            except OSError as error:
                raise PlatformError(
                    f"{path} cannot be removed: {error.strerror or error}.",
                    "It holds what the model was asked: remove it yourself.",
                ) from error

    def _check_least_in(self, context: Context, path: Path) -> None:
        """Count exactly: which labels fit is known by now. The undo takes the file away."""
        if self.least:
            known = self._known(context, but=path)
            self._check_least(sum(name not in known for name in collected.labelled_ids(path)))

    def _track(self, context: Context, deed: Deed, path: Path) -> str:
        folder = context.data.project(self.project).folder()
        made = context.data.track(folder, "data")
        about = collected.about(path) or {}
        # The revision says it, too; this is what tells of it when the revision is lost.
        deed.memory["revision"] = made.revision
        deed.memory["collected"] = [asdict(one) for one in of_files([path])]
        deed.memory["labelled"] = about.get("labelled")
        return f"data is now {made.revision}, {data.files(made.files)}"

    @property
    def _wanted(self) -> Wanted:
        until = self.until or time.time()
        return Wanted(self.project, self.model, self.since, until, self.labelled)

    def _collecting(self, context: Context) -> Collecting:
        return Collecting(context.data.remote.home, self._wanted)

    def _found(self, context: Context) -> Found:
        return self._collecting(context).found()

    def _folder(self, context: Context) -> Path:
        data.known(context, self.project)
        root = context.data.project(self.project).folder()
        return place(root, require(root))

    def _before(self, context: Context) -> tuple[Path, str]:
        root = context.data.project(self.project).folder()
        contract = require(root)
        found = collections(root, contract, self.model)
        rows = sum(one.rows for one in found)
        return place(root, contract), f"{rows:,} rows in {data.files(len(found))}" if found else ""


def made_by(record: ActionRecord) -> str | None:
    """Return the version of the data that a collection made; None: of it none is known."""
    revision = record.memory.get("revision")
    return revision if record.kind == DataCollect.kind and isinstance(revision, str) else None


def _part(path: Path) -> Path:
    """Return the file while it is not whole."""
    return path.with_name(f"{PARTS}{path.name}")


_ELSE = "Choose another time, or have the log keep inputs: `mlops privacy PROJECT full`."


def _none(found: Found) -> str:
    left_out = _left_out(found.left_out)
    return left_out or "nothing was answered in this time"


def _left_out(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{_count(count, 'request')} {'was' if count == 1 else 'were'} {_WHY.get(kept, kept)}"
        for kept, count in sorted(counts.items())
    )


def _said(made: Made, found: Found, path: Path) -> str:
    said = (
        f"{made.rows:,} rows of {_count(made.requests, 'request')}, {made.labelled:,} with a "
        f"label, in {path.parent.name}/{path.name}"
    )
    if found.rows > MOST_ROWS:
        said += f", the newest of {found.rows:,}"
    if made.unfitting:
        said += f"; {_count(made.unfitting, 'label')} not a value a row"
    return f"{said}; left out: {_left_out(found.left_out)}" if found.left_out else said


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
