"""Figures with their units, as people read them."""

from services.reports.models import Unit

_UNITS: dict[str, tuple[tuple[float, str], ...]] = {
    "bytes": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes")),
    "J": ((1e6, "MJ"), (1e3, "kJ"), (1, "J")),
    "s": ((3600, "h"), (60, "min"), (1, "s")),
}


def told(value: float, unit: Unit) -> str:
    """Return a figure with its unit."""
    if unit == "ratio":
        return f"{value * 100:.3g} %"
    for size, name in _UNITS.get(unit, ()):
        if abs(value) >= size or size == 1:
            return f"{value / size:.3g} {name}"
    number = f"{int(value):,}" if value == int(value) else f"{value:,.4g}"
    return f"{number} {unit}".strip()
