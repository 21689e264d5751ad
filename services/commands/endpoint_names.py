"""What a person types to name a model, an endpoint or a version of it."""

from dataclasses import dataclass

from services.errors import InputError

SPEC = "PROJECT/MODEL[@ALIAS|:VERSION]"


@dataclass(frozen=True, slots=True)
class Named:
    """A model, and which version of it."""

    project: str
    model: str
    version: int | None = None
    alias: str = ""


def parse(text: str) -> Named:
    """Return what a person named.

    ``MODEL`` alone will do where one project has a model of that name; ``PROJECT.MODEL``, as an
    endpoint is called, too.

    Raises:
        InputError: It is none, or several projects have such a model.
        NotFoundError: No project has such a model.
    """
    name, alias, version = _split(text)
    project, slash, model = name.partition("/")
    if slash:
        if not project or not model or "/" in model:
            raise InputError(f"{text[:80]!r} names no model.", f"Write {SPEC}.")
        return Named(project, model, version, alias)
    found = _known(name)
    return Named(found[0], found[1], version, alias)


def endpoint(text: str) -> Named:
    """Return an endpoint that a person named; it has no version.

    Raises:
        InputError: It is none.
        NotFoundError: No project has such a model.
    """
    found = parse(text)
    if found.version is not None or found.alias:
        raise InputError(f"{text[:80]!r} names a version.", "Here PROJECT/MODEL is enough.")
    return found


def _split(text: str) -> tuple[str, str, int | None]:
    name, at, alias = text.partition("@")
    if at:
        if not alias or ":" in name:
            raise InputError(f"{text[:80]!r} names no alias.", f"Write {SPEC}.")
        return name, alias, None
    name, colon, version = text.rpartition(":")
    if not colon:
        return text, "", None
    if not version.isascii() or not version.isdecimal() or int(version) < 1:
        raise InputError(f"{version[:20]!r} is no version.", f"Write {SPEC}; versions are numbers.")
    return name, "", int(version)


def _known(name: str) -> tuple[str, str]:
    from services.commands.acting import context
    from services.errors import NotFoundError

    models = context().mirror.models()
    found = [(m.project, m.name) for m in models if name in {m.name, f"{m.project}.{m.name}"}]
    if not found:
        raise NotFoundError(f"There is no model {name[:80]!r}.", "`mlops models list`")
    if len(found) > 1:
        ways = ", ".join(f"{project}/{model}" for project, model in found)
        raise InputError(f"Several projects have a model {name[:80]}.", f"Name one: {ways}.")
    return found[0]
