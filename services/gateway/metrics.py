"""The same counts as OpenMetrics text."""

from collections.abc import Callable, Iterator

from services.gateway.counts import BOUNDS_MS, Count, Counts

MEDIA = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
Labelled = tuple[str, Count]


def text(counts: Counts, opens: Callable[[str, str], bool] | None = None) -> bytes:
    """Return all series; with ``opens`` those of the projects and models that it is true of."""
    labelled = [
        (
            f'endpoint="{_escaped(name)}",project="{_escaped(count.project)}",version="{version}"',
            count,
        )
        for name, versions in sorted(counts.all.items())
        for version, count in sorted(versions.items())
        if opens is None or opens(count.project, name.removeprefix(f"{count.project}."))
    ]
    lines = [*_requests(labelled), *_durations(labelled)]
    lines += _series(labelled, "mlops_gateway_rows", "counter", "Rows answered.", lambda c: c.rows)
    lines += _series(
        labelled, "mlops_gateway_retries", "counter",
        "Requests asked again because a model server was lost.", lambda c: c.retries,
    )  # fmt: skip
    lines += _series(
        labelled, "mlops_gateway_shadow_compared", "counter",
        "Answers of a shadow held against the live version's.", lambda c: c.compared,
    )  # fmt: skip
    lines += _series(
        labelled, "mlops_gateway_shadow_differing", "counter", "Of them those that differ.",
        lambda c: c.differing,
    )  # fmt: skip
    lines += _series(
        labelled, "mlops_gateway_in_flight", "gauge", "Requests under way.", lambda c: c.in_flight
    )
    lines += _series(
        labelled, "mlops_gateway_queued", "gauge", "Of them without a model server.",
        lambda c: c.queued,
    )  # fmt: skip
    if opens is None:
        lines += _unrouted(counts)
    return ("\n".join([*lines, "# EOF"]) + "\n").encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _head(name: str, kind: str, said: str) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    if name.endswith("_seconds"):
        yield f"# UNIT {name} seconds"
    yield f"# HELP {name} {said}"


def _series(
    labelled: list[Labelled], name: str, kind: str, said: str, value: Callable[[Count], int]
) -> list[str]:
    ending = "_total" if kind == "counter" else ""
    rows = [f"{name}{ending}{{{labels}}} {value(count)}" for labels, count in labelled]
    return [*_head(name, kind, said), *rows]


def _requests(labelled: list[Labelled]) -> list[str]:
    name = "mlops_gateway_requests"
    rows = [
        f'{name}_total{{{labels},status="{status}"}} {number}'
        for labels, count in labelled
        for status, number in sorted(count.statuses.items())
    ]
    return [*_head(name, "counter", "Requests to endpoints."), *rows]


def _durations(labelled: list[Labelled]) -> list[str]:
    name = "mlops_gateway_request_duration_seconds"
    rows = []
    for labels, count in labelled:
        seen = 0
        for bound, number in zip((*BOUNDS_MS, None), count.buckets, strict=True):
            seen += number
            edge = "+Inf" if bound is None else repr(float(bound) / 1000)
            rows.append(f'{name}_bucket{{{labels},le="{edge}"}} {seen}')
        rows.append(f"{name}_count{{{labels}}} {seen}")
        rows.append(f"{name}_sum{{{labels}}} {count.sum_ms / 1000:.6f}")
    return [*_head(name, "histogram", "Answered requests, in the gateway."), *rows]


def _unrouted(counts: Counts) -> list[str]:
    name = "mlops_gateway_unrouted"
    rows = [
        f'{name}_total{{status="{status}"}} {number}'
        for status, number in sorted(counts.unrouted.items())
    ]
    return [*_head(name, "counter", "Requests that reached no endpoint."), *rows]
