"""The check before a version gets a request of anybody: its example must be answered well."""

from dataclasses import dataclass

import numpy as np

from services.errors import PlatformError
from services.serving import asking
from services.serving.asking import Answered, Column
from services.serving.models import BundleInfo, Field


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    well: bool
    said: str


def check(
    address: str,
    info: BundleInfo,
    *,
    live: tuple[str, BundleInfo] | None = None,
    timeout_s: float = 20.0,
) -> Checked:
    """Ask a new model server the example of its version and look at the answer.

    Args:
        address: Where it listens.
        info: Of its version.
        live: Address and version that answer now: how far the answers differ is told.
        timeout_s: For the answer.
    """
    try:
        asking.healthy(address)
        if not info.example:
            return Checked(well=True, said="It is ready; the version has no example to ask.")
        answered = asking.ask(address, info, info.example, timeout_s=timeout_s)
    except PlatformError as error:
        return Checked(well=False, said=error.message)
    fault = fault_of(answered, info)
    if fault:
        return Checked(well=False, said=fault)
    took = "" if answered.model_ms is None else f" in {answered.model_ms:.1f} ms"
    beside = _beside(answered, info, live)
    return Checked(well=True, said=f"Its example was answered well{took}.{beside}")


def fault_of(answered: Answered, info: BundleInfo) -> str:
    """Return what is wrong with an answer, empty when nothing is."""
    found = {one.name: one for one in answered.columns}
    for field in info.outputs:
        if field.name not in found:
            if field.optional:
                continue
            return f"The answer to its example lacks the column {field.name}."
        fault = _column_fault(found[field.name], field)
        if fault:
            return fault
    rows = {one.shape[0] for one in answered.columns if one.shape}
    if len(rows) > 1:
        return f"The columns of the answer have {sorted(rows)} rows, not the same number."
    return ""


def _column_fault(column: Column, field: Field) -> str:
    if column.datatype != field.datatype:
        return (
            f"The column {column.name} of the answer has the type {column.datatype}; its schema "
            f"says {field.datatype}."
        )
    wanted = field.shape
    same = len(column.shape) == len(wanted) and all(
        want in {-1, have} for want, have in zip(wanted, column.shape, strict=True)
    )
    if wanted and not same:
        return (
            f"The column {column.name} of the answer has the shape {list(column.shape)}; its "
            f"schema says {list(wanted)}."
        )
    if not column.finite:
        return f"The column {column.name} of the answer holds a number that is none (NaN or ∞)."
    return ""


def _beside(answered: Answered, info: BundleInfo, live: tuple[str, BundleInfo] | None) -> str:
    """Return how the answer differs from that of the live version, as a sentence."""
    if live is None:
        return ""
    address, before = live
    try:
        other = asking.ask(address, before, info.example, timeout_s=5.0)
    except PlatformError:
        return ""
    differing = [
        one.name
        for one in answered.columns
        for two in other.columns
        if one.name == two.name and not _alike(one, two)
    ]
    if not differing:
        return f" Version {before.version} answers the same."
    return f" Version {before.version} answers otherwise in {', '.join(differing)}."


def _alike(one: Column, two: Column) -> bool:
    if one.datatype == "BYTES" or two.datatype == "BYTES":
        return bool(one.values == two.values)
    if np.shape(one.values) != np.shape(two.values):
        return False
    return bool(np.allclose(one.values, two.values, rtol=1e-3, atol=1e-4))
