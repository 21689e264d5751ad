"""What the planner is told: the machine, the ledger, who is loaded, and what models took."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from services.engines.silicon.machine import describe, own_id
from services.home import Home
from services.resources.capacity import capacities, with_here
from services.resources.leases import LeaseBook, this_process
from services.resources.ledger import Ledger
from services.resources.models import Lease, Needs
from services.resources.offers import Offers
from services.serving import backends, estimating, figures, paths, planner, status, trial
from services.serving.bundle import Bundle
from services.serving.eviction import Candidate
from services.serving.measured import Measured
from services.serving.models import BundleInfo, Target
from services.telemetry.fleet import Fleet

_HOUR_OF_WINDOW = 3600 / figures.WINDOW_S


@dataclass(frozen=True)
class Room:
    """The memory of one installation, as it is when it is asked."""

    home: Home
    pinned: Collection[str] = ()
    """Endpoints that are never evicted."""
    priorities: Mapping[str, int] = field(default_factory=dict)
    """Of projects, 1 to 10."""
    most_bytes: int | None = None
    """What all endpoints together may have (``serving_memory_gb``); None: as much as there is."""

    @property
    def here(self) -> str:
        """Return this machine, as telemetry names it."""
        return own_id(self.home.run / "host-id")

    def ledger(self) -> Ledger:
        """Return the machines with all leases.

        Raises:
            PlatformError: Telemetry, offers or leases cannot be read.
        """
        rules = Offers.here().rules()
        states = Fleet.here().states()
        found = capacities(states, datetime.now(UTC), rules, here=self.here)
        leases = LeaseBook(self.home.run / "leases.json").leases()
        return Ledger(with_here(found, self.here, rules), leases)

    def machine(self) -> backends.Machine:
        """Return what of this machine decides on a backend."""
        states = {one.machine.host: one.machine for one in Fleet.here().states()}
        own = states.get(self.here) or describe(self.home.run / "host-id")
        nvidia = not own.apple_silicon and "nvidia" in (own.gpu or "").lower()
        return backends.machine_of(own, cuda=nvidia)

    def loaded(self) -> tuple[Candidate, ...]:
        """Return the versions that hold memory, as the engines said last."""
        seen, counted = status.read(self.home), figures.read(self.home) or figures.Figures()
        found = []
        for name, one in (seen.endpoints if seen else {}).items():
            project = name.partition(".")[0]
            for version in one.versions:
                held = version.reserved_bytes * len(version.replicas)
                asked = counted.of(name, version.version)
                began = [r.started_at for r in version.replicas if r.started_at is not None]
                if held:
                    found.append(
                        Candidate(
                            name,
                            version.version,
                            project,
                            held,
                            round(asked.requests * _HOUR_OF_WINDOW),
                            asked.last_at,
                            max(began, default=0.0),
                            asked.in_flight,
                            name in self.pinned,
                            self.priorities.get(project, 5),
                        )
                    )
        return tuple(found)

    def outlook(
        self,
        info: BundleInfo,
        target: Target,
        environment: Path | None = None,
        *,
        half_bytes: int | None = None,
    ) -> planner.Outlook:
        """Return whether a version fits, on what, and what would make room.

        Args:
            info: The version.
            target: How it is to be served.
            environment: The project's; None: not known, and so whether there is torch.
            half_bytes: How many of the weights' bytes are in half precision; None: as its package
                tells, when there is one.

        Raises:
            InputError: The backend asked for cannot be.
            PlatformError: The ledger or the measurements cannot be read.
        """
        book = Measured.of(self.home)
        if half_bytes is None:
            package = paths.bundle(self.home, info.project, info.model, info.version)
            half_bytes = estimating.half_bytes_of(package / "model")
        return planner.outlook(
            info,
            machine=self.machine(),
            ledger=self.ledger(),
            measurements=book.measurements(),
            others=self.loaded(),
            replicas=max(1, target.min_replicas),
            max_batch=target.max_batch,
            override=target.backend,
            memory_bytes=target.memory_bytes or None,
            base=lambda on: book.base(info.project, estimating.base_module(info, on)),
            half_bytes=half_bytes,
            torch=backends.has_torch(info, environment),
            host=self.here,
            now=time.time(),
            most_bytes=self.most_bytes,
        )

    def measure(self, bundle: Bundle, place: trial.Place, target: Target) -> None:
        """Load a version once and keep what it took, unless that is known or there is no room.

        While it is tried its memory is in the ledger.

        Raises:
            PlatformError: It does not load or does not answer its example.
        """
        before = self.outlook(bundle.info, target, place.python.parent.parent)
        if target.memory_bytes or before.estimate.source == "measured" or not before.plan.fits:
            return
        name = f"{bundle.info.project}.{bundle.info.model}"
        needs = Needs(before.estimate.reserve_bytes, 0, said="a trial")
        now, book = time.time(), LeaseBook(self.home.run / "leases.json")
        lease = Lease(
            f"deployment:trial of {name}:{bundle.info.version}", "serving", self.here,
            bundle.info.project, needs, now, now, this_process(),
        )  # fmt: skip
        if not isinstance(book.take(lease, self.ledger().hosts), Lease):
            return
        try:
            trial.estimated(
                Measured.of(self.home), bundle.folder, bundle.info,
                replace(place, host=self.here), before.choice.backend, target.max_batch,
                free_bytes=before.plan.free_bytes,
            )  # fmt: skip
        finally:
            book.end(lease.id)
