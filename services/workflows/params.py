"""The parameters of a launch, checked before anything is launched."""

from collections.abc import Mapping

from services.errors import InputError
from services.projects.contract import Contract
from services.projects.wishes import Parameter, Value


def checked(contract: Contract, given: Mapping[str, object]) -> dict[str, Value]:
    """Return the parameters of a launch.

    Raises:
        InputError: One is unknown, of the wrong type or out of range; every fault is named.
    """
    faults = [said for name, value in given.items() if (said := fault(contract, name, value))]
    if faults:
        raise InputError(
            f"{contract.title} cannot be launched: {' '.join(faults)}",
            "Nothing was started. `mlops projects show ID` lists its parameters.",
        )
    return {name: value for name, value in given.items() if isinstance(value, Value)}


def fault(contract: Contract, name: str, value: object) -> str:
    """Return what is wrong with a parameter, as a sentence; empty when nothing is."""
    known = contract.params.get(name)
    if known is None:
        names = ", ".join(contract.params) or "none at all"
        return f"it has no parameter {name[:60]!r}; it has {names}."
    if value is None:
        return "" if known.default is None else f"{name} must be given."
    said = known.fault(value)
    return f"{name} {said}." if said else ""


def from_text(contract: Contract, words: Mapping[str, str]) -> dict[str, Value]:
    """Return the parameters that a person typed as text.

    Raises:
        InputError: As ``checked``.
    """
    return checked(
        contract, {name: typed(contract.params.get(name), t) for name, t in words.items()}
    )


def typed(known: Parameter | None, text: str) -> object:
    """Return what a person typed as a value of the type; text that is none stays text."""
    if known is None or known.type in {"str", "choice"}:
        return text
    if known.type == "bool":
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
    try:
        return int(text) if known.type == "int" else float(text)
    except ValueError:
        return text
