"""What a person reads of jobs: by the name on the page; of projects they may not see no name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.mirror.workflow_models import Decided, QueueRow
from services.mirror.workflow_queries import PLATFORM
from services.workflows.words import capital

SOMEBODY = "a job of another project"
_HOLDERS = re.compile(r"\b(the|The) (job|endpoint) (\S+?)(?=[,.;:]?(?:\s|$))")


class Veil:
    """Calls jobs as the page does, and takes the names out that a person may not read."""

    def __init__(
        self, mine: Iterable[str] | None, decided: Decided, titles: Mapping[str, str]
    ) -> None:
        """Begin.

        Args:
            mine: The projects the person may see; None: all.
            decided: The queue: the jobs there are.
            titles: All projects' titles by id.
        """
        self._mine = None if mine is None else frozenset(mine)
        self._names: re.Pattern[str] | None = None
        self._whats = {row.id: row.what for row in decided.rows if self.sees(row.project)}
        if self._mine is None:
            return
        hidden = [row for row in decided.rows if not self.sees(row.project)]
        told = {str(one["project"]) for one in decided.shares} | set(titles)
        others = {name for name in told if not self.sees(name)}
        jobs = {text for row in hidden for text in (row.id, row.what) if text}
        names = others | {titles[name] for name in others if name in titles}
        self._jobs = _pattern(jobs)
        self._names = _pattern(names)

    def sees(self, project: str) -> bool:
        """Return whether the person sees a project; what is over all projects everybody sees."""
        return self._mine is None or project == PLATFORM or project in self._mine

    def sentence(self, text: str) -> str:
        """Return a sentence with jobs called as on the page, without the names of others."""
        text = _HOLDERS.sub(self._holder, text)
        if self._mine is None:
            return text
        if self._jobs is not None:
            text = self._jobs.sub(SOMEBODY, text)
        return text if self._names is None else self._names.sub("another project", text)

    def row(self, row: QueueRow) -> QueueRow:
        """Return a job as the person may read it; of one of others only why it waits."""
        if self.sees(row.project):
            said, unblock = self.sentence(row.said), self.sentence(row.unblock)
            return replace(
                row, said=said, unblock=unblock, expected_said=self.sentence(row.expected_said)
            )
        return replace(row, id="", project="", what=SOMEBODY, said="", unblock="", expected_said="")

    def _holder(self, found: re.Match[str]) -> str:
        article, kind, name = found.groups()
        if self.sees(name.partition(".")[0]):
            what = self._whats.get(name)
            return f"“{what}”" if what else found[0]
        # Whose an endpoint is, its name does not tell.
        told = SOMEBODY if kind == "job" else "an endpoint"
        return capital(told) if article == "The" else told


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    # The longest first: a name may begin with another.
    parts = [re.escape(name) for name in sorted(names, key=lambda n: (-len(n), n))]
    return (
        re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?![\w-])", re.IGNORECASE) if parts else None
    )
