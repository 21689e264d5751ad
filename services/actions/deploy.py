"""Deploy a version: beside what is live, checked, then switched; it goes back by itself."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from services.actions import deploying_steps, flags, serving
from services.actions.action import Context, Deed, Lane, Step
from services.actions.deploying_steps import Deploying
from services.actions.promote import CHAMPION
from services.actions.roles import Actor, Role, require
from services.actions.serving_privacy import KEPT
from services.errors import ConflictError, InputError
from services.monitoring.limits import LEAST
from services.resources.models import GIB
from services.serving.models import Backend, Endpoint, Guards, Privacy, Rollout, Strategy, Target

STRATEGIES: tuple[Strategy, ...] = ("blue-green", "canary", "shadow")
BACKENDS: tuple[Backend, ...] = ("mlx", "mps", "cuda", "cpu")
AUTO: Literal["auto"] = "auto"
CANARY_PERCENT = 10.0
_LONGEST_WATCH_S = 86_400.0
_MOST_GB = 1024.0
_MOST_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Deploy:
    """Put a version into service, or send it a part of the requests, or a copy of them."""

    kind: ClassVar[str] = "deploy"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "serving"

    project: str
    model: str
    version: int | None = None
    """None: who carries ``alias`` when it is asked for."""
    alias: str = ""
    """Empty, and no version: champion."""
    strategy: Strategy = "blue-green"
    percent: float | None = None
    """Of the requests; canary alone."""
    header: bool = False
    """Only requests that name the version reach it; canary alone."""
    min_replicas: int | None = None
    max_replicas: int | None = None
    """None: as many as what is live has, else one."""
    memory_gb: float | None = None
    """What a replica reserves, in GB of 1024³ bytes; None: what is planned."""
    backend: Backend | Literal["", "auto"] = ""
    """Empty: as what is live was told, else chosen by the rule; ``auto``: by the rule."""
    max_batch: int | None = None
    privacy: Privacy | Literal[""] = ""
    """What the prediction log keeps of an endpoint that comes into being; empty: as the project's
    others."""
    watch_s: float = 30.0
    """So long after the switch a guard still takes it back."""
    max_error_share: float | None = 0.02
    max_latency_ratio: float | None = 3.0
    max_memory_ratio: float | None = 1.5
    max_thermal_level: int | None = 2
    max_drift: float | None = None
    """Share of the columns of its answers, 0 to 1. The guards; None: that one is off."""

    @property
    def title(self) -> str:
        """What it does."""
        which = f"version {self.version}" if self.version is not None else (self.alias or CHAMPION)
        how = {
            "canary": f" as a canary {self._reach}",
            "shadow": " as a shadow",
        }.get(self.strategy, "")
        return f"Deploy {self.model[:120]} {which}{how}"

    @property
    def subject(self) -> str:
        """The endpoint's rollouts."""
        return serving.subject(self.project, self.model)

    @property
    def needed_role(self) -> Role:
        """An operator tries a version on a part of the requests; all of them take an approver."""
        whole = self.strategy == "blue-green" or (
            self.strategy == "canary" and not self.header and self._share > serving.OPERATOR_SHARE
        )
        return "approver" if whole else "operator"

    @property
    def _share(self) -> float:
        percent = CANARY_PERCENT if self.percent is None else self.percent
        return percent / 100 if self.strategy == "canary" and not self.header else 0.0

    @property
    def _reach(self) -> str:
        return "by header" if self.header else f"of {self._share * 100:.4g} %"

    def pinned(self, context: Context) -> "Deploy":
        """Fix which version is meant, and how it is served."""
        version = serving.chosen(context, self.project, self.model, self.version, self.alias)
        now = serving.endpoint_of(context, self.project, self.model)
        target = self._target(version, now)
        return replace(
            self,
            version=version,
            percent=self._share * 100 if self.strategy == "canary" and not self.header else None,
            min_replicas=target.min_replicas,
            max_replicas=target.max_replicas,
            backend=target.backend or AUTO,
            max_batch=target.max_batch,
        )

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what cannot be served: unknown, archived, too large, or while another one goes."""
        require(actor, self.needed_role, self.project, self.title)
        self._check_figures()
        serving.check_on(context)
        version = serving.chosen(context, self.project, self.model, self.version, self.alias)
        serving.servable(context, self.project, self.model, version)
        flags.refuse_policy(context, actor, self.project, self.model, version, self.title)
        now = serving.endpoint_of(context, self.project, self.model)
        serving.check_idle(now)
        self._check_beside(now, version)
        target = self._target(version, now)
        serving.check_replicas(target.min_replicas, target.max_replicas)
        serving.check_fits(serving.outlook_if_known(context, self.project, self.model, target))

    def _check_beside(self, now: Endpoint | None, version: int) -> None:
        live = now.live if now else None
        if live is None and self.strategy != "blue-green":
            raise ConflictError(
                f"{self.model} has no live version, so there is nothing to try another one beside.",
                "Deploy it to all requests first.",
            )
        if live is not None and live.version == version:
            raise ConflictError(
                f"Version {version} of {self.model} is live already.",
                f"`mlops scale {self.project}/{self.model}` changes how it is served.",
            )

    def _check_figures(self) -> None:
        for name, allowed, given in (
            ("strategy", STRATEGIES, self.strategy),
            ("backend", ("", AUTO, *BACKENDS), self.backend),
            ("way to keep predictions", ("", *KEPT), self.privacy),
        ):
            if given not in allowed:
                said = ", ".join(one for one in allowed if one)
                raise InputError(f"{str(given)[:40]!r} is no {name}.", f"There are {said}.")
        if self.privacy == "sample":
            raise InputError("A share of the predictions is set with `mlops privacy`.")
        self._check_canary()
        for said, value, least, most in self._bounds():
            if value is not None and not least <= value <= most:  # NaN is in no range
                raise InputError(f"{said} is {value:g}; it is {least:g} to {most:g}.")

    def _check_canary(self) -> None:
        if self.strategy != "canary" and (self.percent is not None or self.header):
            raise InputError("A share or a header goes with the strategy canary alone.")
        if self.header and self.percent is not None:
            raise InputError("A canary takes a share or goes by header.", "Give one of them.")
        if self.percent == 0:
            raise InputError("A canary of 0 % is asked nothing.", "By header it is asked alone.")

    def _bounds(self) -> Iterator[tuple[str, float | None, float, float]]:
        yield "The share of the canary in percent", self.percent, 0, 100
        yield "The memory of a replica in GB", self.memory_gb, 0.01, _MOST_GB
        yield "The largest batch", self.max_batch, 1, _MOST_BATCH
        yield "The time it is watched in seconds", self.watch_s, 0, _LONGEST_WATCH_S
        yield "The share of errors of the guard", self.max_error_share, 0, 1
        yield "The ratio of latencies of the guard", self.max_latency_ratio, 1, math.inf
        yield "The ratio of memory of the guard", self.max_memory_ratio, 1, math.inf
        yield "The thermal level of the guard", self.max_thermal_level, 0, 4
        yield "The share of drifted columns of the guard", self.max_drift, 0, 1

    def _target(self, version: int, now: Endpoint | None) -> Target:
        before = (now.live if now else None) or Target(version)
        least, most = self.min_replicas, self.max_replicas
        if least is None and most is None:
            least, most = before.min_replicas, before.max_replicas
        elif least is None:
            least = min(before.min_replicas, most or 0)
        elif most is None:
            most = max(before.max_replicas, least, 1)
        given = self.memory_gb is not None
        backend: Backend | None = before.backend
        if self.backend:
            backend = next((one for one in BACKENDS if one == self.backend), None)
        return Target(
            version,
            min_replicas=least or 0,
            max_replicas=most or 0,
            backend=backend,
            memory_bytes=round((self.memory_gb or 0) * GIB),
            memory_said="a person said so" if given else "",
            max_batch=self.max_batch or before.max_batch,
            alias=self.alias,
        )

    def _rollout(self, target: Target) -> Rollout:
        guards = Guards(
            max_error_share=self.max_error_share,
            max_latency_ratio=self.max_latency_ratio,
            max_memory_ratio=self.max_memory_ratio,
            max_thermal_level=self.max_thermal_level,
            max_drift=self.max_drift,
        )
        return Rollout(
            target,
            strategy=self.strategy,
            share=self._share,
            header=self.header,
            watch_s=self.watch_s,
            guards=guards,
        )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        version = serving.chosen(context, self.project, self.model, self.version, self.alias)
        now = serving.endpoint_of(context, self.project, self.model)
        return tuple(self._told(context, version, now))

    def _told(self, context: Context, version: int, now: Endpoint | None) -> Iterator[str]:
        target = self._target(version, now)
        live = now.live if now else None
        name = serving.name_of(self.project, self.model)
        yield from flags.of_version(context, self.project, self.model, version)
        yield from self._answers(version, name, live)
        yield (
            f"Version {version} is loaded with {serving.replicas(target)} and asked its own "
            "example before anybody gets an answer of it."
        )
        if self.strategy == "blue-green":
            yield "No request is dropped: what is under way is answered by who began it."
            yield from self._goes_back(live)
        yield from self._drift(now)
        found = serving.outlook_if_known(context, self.project, self.model, target)
        if found is None:
            yield "It is packaged and its memory planned first; what does not fit changes nothing."
            return
        yield found.said
        if found.backend_reason:
            yield f"It runs on {found.backend}: {found.backend_reason}"

    def _answers(self, version: int, name: str, live: Target | None) -> Iterator[str]:
        if self.strategy == "shadow":
            yield (
                f"Version {version} is asked a copy of every request; its answers are compared "
                f"with those of version {live.version if live else '–'}, and nobody gets them."
            )
        elif self.strategy == "canary" and self.header:
            yield (
                f"Only requests with the header X-Model-Version: {version} reach it; all others "
                "are answered as now."
            )
        elif self.strategy == "canary":
            yield (
                f"{self._share * 100:.4g} % of the requests to {name} are answered by version "
                f"{version}, the others by version {live.version if live else '–'}."
            )
        elif live is None:
            yield f"{name} comes into being: whoever has a key of the project can ask it."
        else:
            yield f"Version {version} answers all requests to {name} instead of {live.version}."

    def _goes_back(self, live: Target | None) -> Iterator[str]:
        back = f"to version {live.version}" if live else "and is gone again"
        if not self.watch_s:
            yield f"If it does not load or answer well it goes back {back} by itself."
            return
        yield (
            f"If it does not load or answer well, or a guard speaks within {self.watch_s:g} s "
            f"after the switch, it goes back {back} by itself."
        )

    def _drift(self, now: Endpoint | None) -> Iterator[str]:
        if self.max_drift is None:
            return
        live = now.live if now else None
        if now is None or live is None:
            yield "Drift is not guarded: no version is live whose answers could be compared."
        elif now.privacy in {"hash", "off"}:
            yield (
                "Drift is not guarded: the prediction log keeps no answers of this endpoint that "
                "could be compared (`mlops privacy`)."
            )
        else:
            yield (
                f"It goes back when more than {self.max_drift * 100:.4g} % of the columns of its "
                f"answers are distributed otherwise than those of version {live.version}; with "
                f"fewer than {LEAST} predictions of each that is not known."
            )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; version and replicas were fixed when it was asked for."""
        version = serving.chosen(context, self.project, self.model, self.version, self.alias)
        now = serving.endpoint_of(context, self.project, self.model)
        rollout = self._rollout(self._target(version, now))
        at = (context, deed, self.project, self.model)
        planned = self.memory_gb is not None
        return Deploying(*at, rollout, planned=planned, privacy=self.privacy or None).steps()

    def outcome(self, context: Context, deed: Deed, said: Sequence[str]) -> str:
        """Return what became of it, with what it takes."""
        del context
        return deploying_steps.outcome(deed, said)
