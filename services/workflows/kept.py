"""Where the thermal policy stands with each machine, kept over a restart of the controller.

``MLOPS_HOME/run/policy.json``, written whole. A file that cannot be read is set aside: the policy
then begins with every machine open and sees within one sample what it must hold.
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from services.errors import PlatformError
from services.telemetry.folder import write_whole
from services.workflows.thermal import STANCES, HostPolicy

logger = logging.getLogger(__name__)


def write(path: Path, policies: Iterable[HostPolicy]) -> None:
    """Keep where the policy stands.

    Raises:
        PlatformError: It cannot be written; what was kept before stays.
    """
    document = {"v": 1, "hosts": [asdict(one) for one in policies]}
    try:
        write_whole(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise PlatformError(
            f"Where the thermal policy stands could not be written: {error.strerror or error}.",
            f"Free some space and see that {path.parent} can be written.",
        ) from error


def read(path: Path) -> dict[str, HostPolicy]:
    """Return where the policy stood, by machine; empty without a file or with a broken one."""
    try:
        document = orjson.loads(path.read_bytes())
        found = [_policy(one) for one in document["hosts"]]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%dT%H%M%S')}")
        with contextlib.suppress(OSError):
            path.replace(aside)
        logger.warning("%s cannot be read (%s); it was set aside as %s.", path, error, aside.name)
        return {}
    return {one.host: one for one in found}


def _policy(said: Mapping[str, Any]) -> HostPolicy:
    """Return one machine's policy.

    Raises:
        ValueError: It has a stance or a figure that the policy does not know.
        TypeError: A field is none of it.
    """
    policy = HostPolicy(**{**said, "unknown": tuple(said.get("unknown", ()))})
    if policy.stance not in STANCES or policy.rule not in {"heat", "memory", "battery", "none"}:
        raise ValueError(f"{policy.stance!r} by {policy.rule!r} is no stance")
    if (policy.stance == "open") != (policy.rule == "none"):
        raise ValueError(f"{policy.stance!r} by {policy.rule!r} does not go together")
    for figure in (policy.since, policy.calm_s, policy.blind_s, policy.worse_s or 0.0):
        float(figure)  # JSON has no infinities; text raises
    return policy
