"""Which models of the registry a person looks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.mirror.fields import HIDDEN_TAGS
from services.mirror.models import RegisteredModel

UNKNOWN_FORMAT = "not reported"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters of the registry; empty ones let everything pass."""

    project: str | None = None
    formats: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    text: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is filtered besides the project."""
        return bool(self.formats or self.aliases or self.text.strip())


def matching(models: Iterable[RegisteredModel], wanted: Wanted) -> tuple[RegisteredModel, ...]:
    """Return the models that match every filter, in their order."""
    return tuple(model for model in models if _matches(model, wanted))


def formats_of(models: Iterable[RegisteredModel]) -> tuple[str, ...]:
    """Return the formats there are."""
    return tuple(sorted({name for model in models for name in _formats(model)}))


def aliases_of(models: Iterable[RegisteredModel]) -> tuple[str, ...]:
    """Return the aliases there are."""
    return tuple(sorted({name for model in models for name in model_aliases(model)}))


def model_aliases(model: RegisteredModel) -> tuple[str, ...]:
    """Return the aliases of all versions of a model."""
    return tuple(sorted({alias for version in model.versions for alias in version.aliases}))


def _formats(model: RegisteredModel) -> set[str]:
    return {version.format or UNKNOWN_FORMAT for version in model.versions}


def _matches(model: RegisteredModel, wanted: Wanted) -> bool:
    return (
        wanted.project in (None, model.project)
        and _overlaps(wanted.formats, _formats(model))
        and _overlaps(wanted.aliases, model_aliases(model))
        and all(word in _words(model) for word in wanted.text.lower().split())
    )


def _overlaps(wanted: Sequence[str], found: Iterable[str]) -> bool:
    return not wanted or not set(wanted).isdisjoint(found)


def _words(model: RegisteredModel) -> str:
    parts = [model.name, model.project, model.description, *model.tags.values()]
    for version in model.versions:
        parts += [version.technique or "", version.format or "", version.description]
        parts += version.aliases
        parts += [value for tag, value in version.tags.items() if tag not in HIDDEN_TAGS]
    return "\n".join(parts).lower()
