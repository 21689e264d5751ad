"""What a machine is, as a JSON file beside its samples."""

import dataclasses
import logging
from collections.abc import Sequence

import orjson

from services.engines.silicon.models import CoreTier, Machine, ProviderState
from services.errors import PlatformError
from services.telemetry.folder import HostFolder, write_whole

logger = logging.getLogger(__name__)


def write(folder: HostFolder, machine: Machine, providers: Sequence[ProviderState]) -> None:
    """Keep what a machine is.

    Raises:
        PlatformError: The disk takes nothing; what was known of it stays.
    """
    document = {
        "machine": dataclasses.asdict(machine),
        "providers": [dataclasses.asdict(provider) for provider in providers],
    }
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        write_whole(folder.machine, orjson.dumps(document, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise PlatformError(
            f"What {machine.host} is could not be written: {error.strerror or error}.",
            "Free some space, or look who owns the folder; it is tried again.",
        ) from error


def read(folder: HostFolder) -> tuple[Machine, tuple[ProviderState, ...]] | None:
    """Return a machine and its providers; None when nothing is known of it."""
    try:
        document = orjson.loads(folder.machine.read_bytes())
        fields = document["machine"]
        tiers = tuple(CoreTier(**tier) for tier in fields.pop("tiers"))
        machine = Machine(**fields, tiers=tiers)
        providers = tuple(
            ProviderState(**{**one, "gives": tuple(one["gives"])}) for one in document["providers"]
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        folder.set_aside(
            folder.machine,
            f"What {folder.slug} is cannot be read ({error}): the file was set aside in "
            f"{folder.quarantine}; the sampler writes it anew when it starts.",
        )
        return None
    return machine, providers


def unknown(host: str) -> Machine:
    """Return a machine that sent samples and never said what it is."""
    return Machine(host, chip=None, apple_silicon=False, os="")
