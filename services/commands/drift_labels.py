"""Labels that fit nothing, as ``mlops drift`` tells them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.monitoring.labels_fit import Fit, Part, Unknown


def shape(fit: "Fit", project: str, model: str) -> dict[str, Any]:
    """Return what is known of a model's labels in the documented JSON shape."""
    one = fit.of(project, model)
    return {
        "until": _moment(fit.until),
        "last_day": 0 if one is None else one.matched_day,
        "unusable": 0 if one is None else one.unusable,
        "strange": 0 if one is None else one.day.bad - one.unusable,
        "unknown": [_unknown(each) for each in fit.unknown if each.project in ("", project)],
    }


def sentences(fit: "Fit", project: str | None, model: str | None) -> Iterator[str]:
    """Yield what there is to say of labels that fit nothing; of all where no model is named."""
    one = None if project is None or model is None else fit.of(project, model)
    if one is not None and one.day.bad:
        yield f"{one.said} {one.reasons}"
    for each in fit.unknown:
        if project is None or each.project in ("", project):
            yield f"{each.said} {each.reasons}"


def _unknown(one: "Unknown") -> dict[str, Any]:
    return {
        "project": one.project or None, "last_day": _part(one.day), "last_hour": _part(one.hour),
        "kept": one.kept, "since": _moment(one.since), "newest": _moment(one.newest),
        "removed": one.removed, "ahead": one.ahead, "said": one.said, "reasons": one.reasons,
    }  # fmt: skip


def _part(one: "Part") -> dict[str, Any]:
    return {"labels": one.came, "unknown": one.bad}


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
