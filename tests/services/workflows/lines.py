"""Jobs, uses and lines for the tests of the policy."""

from services.resources.models import GIB, Needs
from services.workflows.fair import line
from services.workflows.models import Job, Rules, Share, Use

NOW = 1_760_000_000.0
HOUR = 3600.0


def job(name: str, project: str = "", *, ago_s: float = 60.0, **fields: object) -> Job:
    """A job that came some time ago; without a project it is of that named before the dash."""
    memory = fields.pop("memory_gb", 8)
    slots = fields.pop("slots", 1)
    given = {"needs": Needs(int(memory * GIB), slots), "expected_s": HOUR, "late_s": 2 * HOUR}  # type: ignore[arg-type,operator]
    given |= fields  # type: ignore[arg-type]
    return Job(name, project or name.partition("-")[0], NOW - ago_s, **given)  # type: ignore[arg-type]


def used(project: str, hours: float, *, ended_ago_s: float = 0.0, cost: float = 1.0) -> Use:
    end = NOW - ended_ago_s
    return Use(project, end - hours * HOUR, end, cost)


def order(*jobs: Job, uses=(), shares=(), overrides=(), rules: Rules | None = None) -> list[str]:
    """The ids in the order in which they go."""
    table = {share.project: share for share in shares}
    found = line(jobs, uses, table, NOW, overrides, rules)
    return [place.job.id for place in found.places]


def share(project: str, weight: float = 1.0, **fields: object) -> Share:
    return Share(project, weight, **fields)  # type: ignore[arg-type]
