"""Who uses a version: the runs and registered versions that carry its revision as a tag."""

from services.data.models import Kind, Use
from services.mirror.queries import Mirror

DATA_TAG, MODELS_TAG = "mlops.data.revision", "mlops.models.revision"


def tag_of(kind: Kind) -> str:
    """Return the tag that names the revision of a kind."""
    return DATA_TAG if kind == "data" else MODELS_TAG


def uses(mirror: Mirror, kind: Kind, projects: tuple[str, ...]) -> dict[str, Use]:
    """Return by revision who uses it, among the runs and registered versions of some projects.

    Raises:
        PlatformError: The mirror is not there yet or cannot be read.
    """
    found = mirror.tagged(tag_of(kind), projects)
    return {
        revision: Use(revision, found.runs.get(revision, ()), found.versions.get(revision, ()))
        for revision in found.runs.keys() | found.versions.keys()
    }
