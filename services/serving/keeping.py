"""What serving keeps for a time: bundles, bentos, packages, lines of the history, keys of an hour.

A bundle that nothing needs goes after a while; it is packaged anew from the registry when its
version is deployed again. What is needed is marked as used each hour, so the while begins when it
is needed no longer.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from services.actions import own_keys
from services.actions.journal import Journal
from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.mirror.models import ModelVersion, RegisteredModel
from services.serving import bento, bundle, history, store
from services.serving.bundle import Kept
from services.serving.replicas import ReplicaSpec
from services.workflows import packaging

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
INTERVAL_S = 3600.0
BACK = 3
"""So many earlier live versions of an endpoint keep their bundle: one goes back to them at once."""
OWN_KEYS_S = 7 * DAY_S
"""So long an ended key of the platform's own is listed."""

Key = tuple[str, int]
"""An endpoint's name and a version."""
FindModel = Callable[[str, str], RegisteredModel]
"""Returns a project's registered model; raises ``NotFoundError`` where there is none."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted in one go."""

    bundles: int
    packages: int
    lines: int
    """Of the history."""
    keys: int


class Keeping:
    """Deletes what nobody needs any more, each hour, in a thread of its own."""

    def __init__(self, home: Home, journal: Journal, model: FindModel, days: float) -> None:
        self._home = home
        self._journal = journal
        self._model = model
        self._kept_s = days * DAY_S
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="keep")
        self._under_way: Future[Removed | None] | None = None
        self._at: float | None = None

    def turn(self, followed: Collection[ReplicaSpec], now: float) -> None:
        """Begin, if it is time to; ``followed`` are the model servers that there are."""
        steady = time.monotonic()
        if self._at is not None and steady - self._at < INTERVAL_S:
            return
        if self._under_way is not None and not self._under_way.done():
            return
        self._at = steady
        running = frozenset((one.name, one.version) for one in followed)
        self._under_way = self._pool.submit(self._safely, running, now)

    def close(self) -> None:
        """Wait for what is under way, and begin nothing more."""
        self._pool.shutdown()

    def _safely(self, running: Collection[Key], now: float) -> Removed | None:
        try:
            return self.remove(running, now)
        except (MlopsError, OSError) as error:
            logger.warning("What nobody needs could not be removed, it is tried again: %s", error)
        except Exception:  # a mistake of ours must not end the thread: models answer all the same
            logger.exception("What nobody needs could not be removed.")
        return None

    def remove(self, running: Collection[Key], now: float) -> Removed:
        """Delete what is due.

        Args:
            running: Versions that have a model server.
            now: In seconds since 1970.

        Raises:
            JournalError: The journal cannot be used.
            PlatformError: The mirror cannot be read.
        """
        lines = history.prune(self._journal, now)
        keys = own_keys.prune(self._journal, now - OWN_KEYS_S)
        return Removed(self._bundles(running, now), self._packages(now), lines, keys)

    def _bundles(self, running: Collection[Key], now: float) -> int:
        needed = {*running, *self._deployed()}
        needed |= history.named_since(self._journal, now - self._kept_s)
        count = 0
        bundle.sweep(self._home)
        for one in bundle.kept(self._home):
            known = (
                None if one.key in needed else self._registered(one.project, one.model, one.version)
            )
            if one.key in needed or (known is not None and known.aliases):
                bundle.use(self._home, one.project, one.model, one.version)
            elif known is not None and one.used_at < now - self._kept_s:
                count += self._remove(one)
        return count

    def _packages(self, now: float) -> int:
        """Delete what releases fetched: their bundles have files of their own."""
        count = 0
        for one, used_at in packaging.kept(self._home):
            told = one.manifest
            named = (str(told["project"]), str(told["model"]), int(told["version"]))
            if used_at < now - self._kept_s and self._registered(*named) is not None:
                packaging.remove(one)
                count += 1
        return count

    def _registered(self, project: str, model: str, version: int) -> ModelVersion | None:
        """Return the version in the registry; None: what is here may be the last copy."""
        try:
            found = self._model(project, model)
        except NotFoundError:
            return None
        return next((each for each in found.versions if each.version == version), None)

    def _deployed(self) -> Iterator[Key]:
        """Yield what is live or on its way, and what one goes back to."""
        for one in store.endpoints(self._journal):
            live = one.live.version if one.live else None
            for target in (one.live, one.rollout.target if one.rollout else None):
                if target is not None:
                    yield one.name, target.version
            for version in history.earlier_live(self._journal, one.name, live)[:BACK]:
                yield one.name, version

    def _remove(self, one: Kept) -> bool:
        tag = bento.tag_for(one.project, one.model, one.version)
        if tag.partition(":")[0] in bento.served():
            return False
        first = partial(bento.remove, self._home, tag)
        try:
            done = bundle.remove(self._home, one, unused_since=one.used_at, first=first)
        except MlopsError as error:  # the others go all the same
            logger.warning("The bundle of %s version %s could not be removed: %s", *one.key, error)
            return False
        if done:
            logger.info("The bundle of %s version %s was removed: nothing needs it.", *one.key)
        return done
