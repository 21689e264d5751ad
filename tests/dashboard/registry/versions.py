"""Versions and models for the tests of pure parts."""

from datetime import UTC, datetime

from services.mirror.models import ModelVersion, RegisteredModel

AT = datetime(2026, 11, 1, tzinfo=UTC)


def version(
    number: int,
    value: float | None = None,
    *,
    champion: bool = False,
    archived: bool = False,
    metrics: dict[str, float] | None = None,
    format_name: str | None = "safetensors",
    technique: str | None = "lora",
    tags: dict[str, str] | None = None,
) -> ModelVersion:
    found = dict(metrics or {}) | ({} if value is None else {"acc": value})
    return ModelVersion(
        project="p",
        name="m",
        version=number,
        aliases=("champion",) if champion else (),
        run_id="a" * 32,
        created_at=AT,
        status="ready",
        format=format_name,
        technique=technique,
        data_revision=None,
        git_commit=None,
        description="",
        metrics=found,
        tags=tags or {},
        archived=archived,
    )


def model(*versions: ModelVersion, name: str = "m", project: str = "p") -> RegisteredModel:
    newest_first = tuple(sorted(versions, key=lambda v: -v.version))
    return RegisteredModel(project, name, "", newest_first, {"team": "vision"})
