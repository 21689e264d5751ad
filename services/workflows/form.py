"""What a launch asks for: the contract's typed parameters, and those a workflow has of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.errors import InputError
from services.projects.contract import Contract
from services.workflows import params, schema

MOST_TEXT = 20_000
"""Characters of a launch's parameters."""

OF_CONTRACT = frozenset({"train", "retrain", "federated"})
"""Workflows that have the parameters of the project's contract."""


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of one workflow."""

    title: str
    contract: Contract | None
    """None: the workflow has none of a contract."""
    schemas: Mapping[str, schema.Schema]
    """JSON schema by name, as Airflow has them; those of the contract may be among them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names, those of the contract first."""
        contract = self.contract.params if self.contract else {}
        return tuple(dict.fromkeys([*contract, *self.schemas]))

    def typed(self, words: Mapping[str, str]) -> dict[str, object]:
        """Return what a person typed as values of the types; what is wrong stays text."""
        return {name: self._typed(name, text) for name, text in words.items()}

    def checked(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return what Airflow is given.

        Raises:
            InputError: One is unknown, of the wrong type or out of range; every fault is named.
        """
        faults = [said for name, value in given.items() if (said := self._fault(name, value))]
        if faults:
            raise InputError(
                f"{self.title} cannot be launched: {' '.join(faults)}", "Nothing was started."
            )
        return {name: value for name, value in given.items() if not self._is_left(name, value)}

    def _is_left(self, name: str, value: object) -> bool:
        """Return whether the project's own default counts."""
        return value is None and self._is_of_contract(name)

    def _is_of_contract(self, name: str) -> bool:
        return self.contract is not None and name in self.contract.params

    def _typed(self, name: str, text: str) -> object:
        if self.contract is not None and name in self.contract.params:
            return params.typed(self.contract.params[name], text)
        return schema.typed(self.schemas.get(name, {}), text)

    def _fault(self, name: str, value: object) -> str:
        if self.contract is not None and name in self.contract.params:
            return params.fault(self.contract, name, value)
        if name not in self.schemas:
            names = ", ".join(self.names) or "none at all"
            return f"it has no parameter {name[:60]!r}; it has {names}."
        said = schema.fault(self.schemas[name], value)
        return f"{name} {said}." if said else ""


def parsed(text: str) -> dict[str, object]:
    """Return the parameters of a launch as they were written down: a JSON object.

    Raises:
        InputError: It is none, or absurdly long.
    """
    if len(text) > MOST_TEXT:
        raise InputError(f"The parameters of a launch have at most {MOST_TEXT:,} characters.")
    try:
        found = schema.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"The parameters are no JSON: {error}.", 'Write for example {"epochs": 3}.'
        ) from error
    if not isinstance(found, dict):
        raise InputError("The parameters are no JSON object.", 'Write for example {"epochs": 3}.')
    return found
