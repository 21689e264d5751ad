"""The parameters of the page's address."""

from services.data.models import Kind

OF, KIND = "of", "kind"
"""The project and the kind that are looked at."""
REVISION, AGAINST = "revision", "against"
"""The version that is looked at, and the one it is compared with."""
PART, FILE, CHANGE, ORDER = "part", "file", "change", "order"
VERSIONS_PAGE, FILES_PAGE = "versions", "files"
OF_ONE_KIND = (REVISION, AGAINST, FILE, CHANGE, VERSIONS_PAGE, FILES_PAGE)
"""What means nothing any more when the kind is another."""


def to(project: str, kind: Kind, revision: str | None = None) -> dict[str, str | None]:
    """Return the parameters that lead to a version, or to all of a project's."""
    return {OF: project, KIND: kind, REVISION: revision}
