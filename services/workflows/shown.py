"""The queue as it is written for pages: see ``services.mirror.workflow_models.Decided``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import cast

from services.mirror.workflow_models import Wait
from services.resources.ledger import Ledger
from services.resources.models import Capacity
from services.workflows.decision import Decided, Facts
from services.workflows.fair import Standing
from services.workflows.models import Share
from services.workflows.queue import Interval, Kind, Row
from services.workflows.routing import route
from services.workflows.thermal import HostPolicy


def picture(facts: Facts, decided: Decided) -> dict[str, object]:
    """Return the document of one decision."""
    ledger = Ledger(facts.hosts, facts.leases)
    return {
        "rows": [_row(row) for row in decided.rows],
        "hosts": [_host(one, ledger, facts) for one in facts.hosts],
        "shares": shares(facts.shares, decided.line.standings),
        "pools": [asdict(pool) for pool in decided.pools],
        "asks": _asks(facts),
    }


def _host(one: Capacity, ledger: Ledger, facts: Facts) -> dict[str, object]:
    free = ledger.free(one)
    policy = facts.policies.get(one.host) or HostPolicy(one.host)
    return {
        "host": one.host,
        "here": one.host == facts.here,
        "memory_bytes": one.memory_bytes,
        "gpu_slots": one.gpu_slots,
        "free_bytes": None if one.memory_bytes is None else free.memory_bytes,
        "free_slots": free.gpu_slots,
        "total_bytes": one.total_bytes,
        "power_w": one.power_w,
        "given": one.given,
        "absent": one.absent,
        "stance": policy.stance,
        "rule": policy.rule,
        "said": policy.said,
        "since": policy.since,
        "unknown": list(policy.unknown),
    }


def _asks(facts: Facts) -> list[dict[str, object]]:
    """Return what waiting jobs ask of a machine, those that ask for the same together."""
    alike = Counter(
        (one.what or one.id, one.needs, one.requires, one.machines) for one in facts.waiting
    )
    found: list[dict[str, object]] = []
    for (what, needs, requires, machines), count in alike.items():
        there = [one for one in facts.hosts if machines is None or one.host in machines]
        asked = {
            "memory_bytes": needs.memory_bytes,
            "gpu_slots": needs.gpu_slots,
            "power_w": needs.power_w,
        }
        hosts = list(route(requires, there, facts.here).hosts)
        found.append({"what": what, "jobs": count, **asked, "hosts": hosts})
    return found


def shares(
    given: Mapping[str, Share], standings: Mapping[str, Standing]
) -> list[dict[str, object]]:
    """Return what each project may take, and how much of it it had."""
    found = []
    for name in sorted({*given, *standings}):
        share = given.get(name) or Share(name)
        standing = standings.get(name)
        found.append(
            {
                "project": name,
                "weight": share.weight,
                "priority": share.priority,
                "quota_hours": share.quota_hours,
                "used_s": standing.used_s if standing else 0.0,
                "committed_s": standing.committed_s if standing else 0.0,
                "share": standing.share if standing else None,
                "due": standing.due if standing else None,
                "waiting": standing.waiting if standing else 0,
            }
        )
    return found


def _row(row: Row) -> dict[str, object]:
    expected = row.expected
    late = expected.late_at if expected else None
    return {
        "id": row.id,
        "project": row.project,
        "what": row.what,
        "state": row.state,
        "kind": row.kind,
        "said": row.said,
        "position": row.position,
        "expected_at": _iso(expected.at if expected else None),
        "expected_late_at": _iso(late),
        "expected_said": expected.said if expected else "",
        "priority": row.priority,
        "weight": row.weight,
        "unblock": row.unblock,
        "host": row.host,
        "since": _iso(row.since),
        "ends_at": _iso(row.ends_at),
    }


def wait(one: Interval) -> dict[str, object]:
    """Return a stretch of waiting as it is stored."""
    return {
        "job": one.job,
        "project": one.project,
        "kind": one.kind,
        "said": one.said,
        "begin_ms": round(one.begin * 1000),
        "end_ms": None if one.end is None else round(one.end * 1000),
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def interval(one: Wait) -> Interval:
    """Return a stretch of waiting as it was stored."""
    end = one.end.timestamp() if one.end else None
    kind = cast("Kind", one.kind)
    return Interval(one.job, one.project, kind, one.said, one.begin.timestamp(), end)
