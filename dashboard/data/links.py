"""From what carries a revision to the version it names."""

from collections.abc import Mapping

from dashboard import navigation
from dashboard.data.address import to
from dashboard.text import plain
from services.data.models import KINDS
from services.data.using import tag_of


def revisions(project: str, tags: Mapping[str, str]) -> None:
    """Draw the ways to the versions of data and models that the tags name."""
    for kind in KINDS:
        revision = tags.get(tag_of(kind))
        if revision:
            noun = "The data it used" if kind == "data" else "The models it left"
            label = f"{noun}: {plain(revision, 20)}"
            navigation.link("data", label, icon="database", **to(project, kind, revision))
