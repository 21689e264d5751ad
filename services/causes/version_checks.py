"""Another version, and what is different about it: its data revision, its code, its packages."""

from collections import Counter
from collections.abc import Sequence

from services.causes.case import Case, Texts, Training
from services.causes.comparing import changed, named
from services.causes.factor import Answer, Factor, evidence
from services.causes.models import Kind
from services.causes.wording import address, deployment, when
from services.telemetry.figures import percent

_NAMED = 3


def version(case: Case) -> Answer:
    """Look for another version; where one thing about it is different, that is the cause.

    Where both its data and its code are different, nothing tells which of them it was.
    """
    strata = named(_versions(case.then.rows.version), _versions(case.now.rows.version))
    before, after = _most(case.then.rows.version), _risen(case)
    kind: Kind = "version"
    title = "The same version answers"
    lines: list[str] = []
    if after is not None and after != before:
        of = f" instead of version {before}" if before is not None else ""
        title = f"Version {after} answers{of}"
        kind, title, lines = _different(case, before, after, title)
    return Factor(
        kind,
        strata,
        changed(strata),
        title,
        evidence(_shares(case, after), *lines, *when(case, strata)),
        f"`mlops rollback {case.project}/{case.model}` brings the version before back.",
        deployment(case, "Versions") if kind == "version" else _model(case, after),
    )


def _versions(values: Texts) -> list[str]:
    return ["" if value is None else f"version {value}" for value in values]


def _most(values: Texts) -> int | None:
    found = Counter(value for value in values if value is not None)
    return max(found, key=lambda one: (found[one], one)) if found else None


def _risen(case: Case) -> int | None:
    """Return the version whose share of the rows rose by most."""
    then, now = Counter(case.then.rows.version), Counter(case.now.rows.version)
    before, after = max(1, len(case.then.rows)), max(1, len(case.now.rows))
    more = {one: now[one] / after - then[one] / before for one in now if one is not None}
    best = max(more, key=lambda one: (more[one], one), default=None)
    return best if best is not None and more[best] > 0 else _most(case.now.rows.version)


def _shares(case: Case, version: int | None) -> str:
    if version is None:
        return ""
    parts = []
    for word, side in (("then", case.then), ("now", case.now)):
        mine = int((side.rows.version == version).sum())
        share = mine / max(1, len(side.rows))
        parts.append(f"{percent(share)} of {len(side.rows):,} {word}")
    return f"Version {version} answered {', '.join(parts)}."


def _different(
    case: Case, before: int | None, after: int, title: str
) -> tuple[Kind, str, list[str]]:
    old = None if before is None else case.trainings.get(before)
    new = case.trainings.get(after)
    if old is None or new is None:
        return "version", title, ["What each was trained with is not known."]
    data, code = _data(old, new), _code(old, new)
    lines = [*data, *code]
    if data and not code:
        return "data_revision", f"{title}, trained on another data revision", lines
    if code and not data:
        return "code", f"{title}, trained with other code or packages", lines
    same = not lines and old.data_revision and old.commit
    return "version", title, lines or (["Data revision and code are the same."] if same else [])


def _data(old: Training, new: Training) -> list[str]:
    if not old.data_revision or not new.data_revision or old.data_revision == new.data_revision:
        return []
    return [
        f"Data revision {new.data_revision[:12]} (version {new.version}), "
        f"{old.data_revision[:12]} before (version {old.version})."
    ]


def _code(old: Training, new: Training) -> list[str]:
    told = []
    if old.commit and new.commit and old.commit != new.commit:
        told.append(f"Code at {new.commit[:10]}, {old.commit[:10]} before.")
    if old.technique and new.technique and old.technique != new.technique:
        told.append(f"Technique {new.technique}, {old.technique} before.")
    if old.packages and new.packages:
        told += _packages(old, new)
    return told


def _packages(old: Training, new: Training) -> Sequence[str]:
    names = sorted(
        name
        for name in old.packages.keys() | new.packages.keys()
        if old.packages.get(name) != new.packages.get(name)
    )
    if not names:
        return []
    shown = [
        f"{name} {old.packages.get(name, 'absent')} → {new.packages.get(name, 'absent')}"
        for name in names[:_NAMED]
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"Packages: {', '.join(shown)}{more}."]


def _model(case: Case, version: int | None) -> str:
    number = None if version is None else str(version)
    return address("model", of=case.project, model=case.model, version=number)
