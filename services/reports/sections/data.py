"""Data: versions that were made, how large they are, and what waits for the remote."""

from typing import TYPE_CHECKING

from services.errors import MlopsError
from services.reports.models import Asked, Figure, Section, Table, first

if TYPE_CHECKING:
    from services.data.models import Version

SOURCE = "the data repositories"


def section(asked: Asked) -> Section:
    """Return the section."""
    found: list[Version] = []
    notes: list[str] = []
    for project in asked.data.projects():
        if project not in asked.projects:
            continue
        try:
            found += asked.data.versions(project)
        except MlopsError as error:
            notes.append(f"{project} could not be read: {error.message}")
    now = [one for one in found if asked.window.holds(one.at)]
    before = [one for one in found if asked.window.before.holds(one.at)]
    waits = sum(one.remote == "queued" for one in found)
    figures = (
        Figure("Versions made", len(now), len(before), SOURCE),
        Figure("Bytes of them", sum(one.bytes for one in now), sum(one.bytes for one in before),
               SOURCE, "bytes"),
        Figure("Wait for the remote now", waits, None, SOURCE, "", "less", standing=True),
    )  # fmt: skip
    rows, left = first(
        [
            (one.at.strftime("%Y-%m-%d %H:%M"), one.project, one.kind, one.revision,
             f"{one.files:,}", f"{one.bytes / 1e6:.3g} MB", one.remote)
            for one in sorted(now, key=lambda one: one.at, reverse=True)
        ]
    )  # fmt: skip
    columns = ("when (UTC)", "project", "kind", "revision", "files", "size", "remote")
    table = Table("Versions", columns, rows, SOURCE, "No version was made.", left)
    return Section("data", "Data and models on disk", figures, (), (table,), tuple(notes))
