"""The chain of providers: each metric is taken from the first that has it."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from services.engines.silicon.actop import Actop
from services.engines.silicon.commands import MacCommands
from services.engines.silicon.machine import describe
from services.engines.silicon.macmon import Macmon
from services.engines.silicon.models import METRICS, Machine, ProviderState, Reading, Sample
from services.engines.silicon.nvidia import Nvidia
from services.engines.silicon.provider import Provider, unavailable
from services.engines.silicon.system import System
from services.errors import EngineError, EngineProtocolError

logger = logging.getLogger(__name__)

_RETRY_S = (10.0, 60.0, 300.0)
"""Pauses before a provider that failed is asked again."""

_UNREADABLE = 3
"""One damaged answer costs one sample; so many in a row and the provider begins afresh."""

_INSTEAD_OF = {"actop": "macmon"}
"""The first is asked while the second does not answer: both read the same counters."""

_PREFLIGHT_S = 600.0
"""Somebody may install macmon while we run: so often those that were not there are looked for."""


@dataclasses.dataclass(slots=True)
class _Link:
    """One provider and how it does."""

    provider: Provider
    state: ProviderState
    failures: int = 0
    unreadable: int = 0
    resting_until: float = 0.0
    running: bool = False
    gives: dict[str, None] = dataclasses.field(default_factory=dict)


class Host:
    """This machine: what it is and what it says. Used from one thread."""

    def __init__(
        self,
        machine: Machine,
        providers: Sequence[Provider],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.machine = machine
        self._now = now
        self._links = [_Link(p, p.preflight()) for p in providers]
        self._looked_at = now()
        self._sampled_at: float | None = None

    @classmethod
    def here(cls, home: Path) -> "Host":
        """Return the machine this runs on, with every provider that can be had on it."""
        run_folder = home / "run"
        run_folder.mkdir(parents=True, exist_ok=True)  # what is first known of it is kept there
        machine = describe(run_folder / "host-id")
        providers: list[Provider] = []
        if machine.apple_silicon:
            kinds = len(machine.tiers)
            providers.append(Macmon(machine.chip, kinds=kinds))
            providers.append(Actop(machine.chip, kinds=kinds))
            recommended = machine.recommended_working_set_bytes
            providers.append(MacCommands(recommended_bytes=recommended))
        nvidia = Nvidia()
        providers += [System(home), nvidia]
        host = cls(machine, providers)
        if not machine.apple_silicon and (gpu := nvidia.model()):
            host.machine = dataclasses.replace(machine, gpu=gpu)
        return host

    def providers(self) -> tuple[ProviderState, ...]:
        """Return every provider, how it does and what is taken from it."""
        return tuple(
            dataclasses.replace(link.state, gives=tuple(link.gives)) for link in self._links
        )

    def sample(self, at: datetime) -> Sample:
        """Ask all providers; a metric that none has is unavailable, with the reason."""
        self._look_again()
        found: dict[str, Reading] = {}
        answered: set[str] = set()
        for link in self._links:
            if _INSTEAD_OF.get(link.provider.name) in answered:
                self._rest(link)
                continue
            said = self._ask(link)
            if said:
                answered.add(link.provider.name)
            for reading in said:
                before = found.get(reading.metric)
                if before is None or (before.value is None and reading.value is not None):
                    found[reading.metric] = reading
                    if reading.value is not None:
                        link.gives[reading.metric] = None
        window = 0.0 if self._sampled_at is None else self._now() - self._sampled_at
        self._sampled_at = self._now()
        readings = tuple(found.get(name) or self._nobody(name) for name in METRICS)
        return Sample(self.machine.host, at, window, readings)

    def close(self) -> None:
        """End what the providers run."""
        for link in self._links:
            link.provider.close()

    def _ask(self, link: _Link) -> tuple[Reading, ...]:
        if not link.state.usable or self._now() < link.resting_until:
            return ()
        try:
            said = link.provider.readings()
        except EngineProtocolError as error:
            link.unreadable += 1
            if link.unreadable < _UNREADABLE:
                link.state = dataclasses.replace(link.state, reason=error.message)
            else:
                self._failed(link, error)
            return ()
        except EngineError as error:
            self._failed(link, error)
            return ()
        if link.failures:
            logger.info("%s answers again.", link.provider.name)
        link.failures = link.unreadable = 0
        if link.state.reason:
            link.state = dataclasses.replace(link.state, reason="", hint="")
        link.running = True
        return said

    @staticmethod
    def _rest(link: _Link) -> None:
        if link.running:
            link.provider.close()
            link.running = False
            link.gives.clear()

    def _failed(self, link: _Link, error: EngineError) -> None:
        if link.state.reason != error.message:
            logger.warning("%s: %s", link.provider.name, error)
        pause = _RETRY_S[min(link.failures, len(_RETRY_S) - 1)]
        link.failures += 1
        link.resting_until = self._now() + pause
        link.state = dataclasses.replace(link.state, reason=error.message, hint=error.hint)
        link.gives.clear()
        link.unreadable, link.running = 0, False
        link.provider.close()  # the next try begins afresh

    def _look_again(self) -> None:
        if self._now() - self._looked_at < _PREFLIGHT_S:
            return
        self._looked_at = self._now()
        for link in self._links:
            if not link.state.usable:
                link.state = link.provider.preflight()

    def _nobody(self, metric: str) -> Reading:
        if METRICS[metric].apple_only and not self.machine.apple_silicon:
            return unavailable(metric, "", "not Apple Silicon")
        if metric.startswith("cpu_") and not self._has_tier(metric):
            return unavailable(metric, "", "this chip has no such cores")
        failing = next((k for k in self._links if k.state.usable and k.state.reason), None)
        if failing is not None:
            reason = f"{failing.provider.name} does not answer: {failing.state.reason}"
            return unavailable(metric, failing.provider.name, reason)
        return unavailable(metric, "", self._who_could(metric))

    def _who_could(self, metric: str) -> str:
        if self.machine.apple_silicon:
            missing = next(
                (k.state for k in self._links if not k.state.usable and k.state.hint), None
            )
            if missing is not None:
                return f"{missing.name} would tell: {missing.reason} {missing.hint}".strip()
            return "no provider reports it"
        if METRICS[metric].group == "gpu" or metric in {"gpu_w", "gpu_temperature_c"}:
            return "no NVIDIA GPU here"
        return "this machine does not report it"

    def _has_tier(self, metric: str) -> bool:
        tier = metric.split("_")[1]
        if tier not in {"super", "performance", "efficiency"} or not self.machine.tiers:
            return True
        return any(t.name == tier for t in self.machine.tiers)
