"""Whatever is asked, fails and crashes in whatever order: the journal and the engine agree."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.actions import audit, history
from services.actions.action import Action
from services.actions.archive import ArchiveRun
from services.actions.executor import Executor
from services.actions.promote import Promote, Rollback
from services.actions.tag import TagRun
from services.errors import ConflictError
from tests.services.actions.conftest import OWNER, RUN, Clock, Sabotage, build, fill


class CrashError(BaseException):
    """Ends the executor as kill -9 does: nothing catches it."""


def crash() -> None:
    raise CrashError


class Executors(RuleBasedStateMachine):
    """One journal and one engine; executors that crash, an engine that goes away."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.keys = itertools.count()
        self.clock = Clock()
        path = Path(self.folder.name)
        fill(path)
        self.context, self.engine = build(path)
        self.sabotage = Sabotage(self.context, self.engine, crash)
        self.executor = Executor(self.context, now=self.clock, elapsed=self.clock.elapsed)

    def teardown(self) -> None:
        self.context.journal.close()
        self.context.mirror.engine.dispose()
        self.folder.cleanup()

    def _submit(self, action: Action) -> None:
        key = str(next(self.keys))
        try:
            self.executor.submit(OWNER, action, key)
        except CrashError:
            self.executor = Executor(self.context, now=self.clock, elapsed=self.clock.elapsed)
            self.sabotage.left = 0
            self.executor.submit(OWNER, action, key)  # the person clicks again
        assert len(self.executor.history(limit=1_000)) == int(key) + 1 - self.refused

    refused = 0

    @rule(version=st.sampled_from([1, 2, 3]))
    def promote(self, version: int) -> None:
        self._submit(Promote("p", "m", version, override="because"))

    @rule()
    def roll_back(self) -> None:
        try:
            self._submit(Rollback("p", "m"))
        except ConflictError:
            self.refused += 1

    @rule(value=st.sampled_from(["a", "b", None]))
    def tag(self, value: str | None) -> None:
        self._submit(TagRun("p", RUN, "note", value))

    @rule(back=st.booleans())
    def archive(self, back: bool) -> None:
        self._submit(ArchiveRun("p", RUN, back=back))

    @rule(call=st.sampled_from(["alias", "set_alias", "set_run_tag"]), after=st.booleans())
    def engine_goes_away(self, call: str, after: bool) -> None:
        self.engine.fail_at, self.engine.after = call, after

    @rule()
    def engine_returns(self) -> None:
        self.engine.fail_at = ""

    @rule(point=st.integers(1, 40))
    def crash_soon(self, point: int) -> None:
        self.sabotage.left = point

    @rule(later_s=st.sampled_from([0, 5, 100]))
    def execute(self, later_s: int) -> None:
        self.clock.ahead_s += later_s
        try:
            self.executor.execute_pending()
        except CrashError:
            self.executor = Executor(self.context, now=self.clock, elapsed=self.clock.elapsed)

    @precondition(lambda self: any(not r.ended for r in self.executor.history()))
    @rule()
    def all_ends_well(self) -> None:
        self.engine.fail_at, self.sabotage.left = "", 0
        for _ in range(4):
            self.clock.ahead_s += 100
            self.executor.execute_pending()
        records = self.executor.history(limit=1_000)
        assert {record.state for record in records} <= {"done", "compensated"}
        moved = [r for r in records if r.kind in {"promote", "rollback"} and r.state == "done"]
        if moved:
            wanted = moved[0].params.get("version") or moved[0].params["to_version"]
            assert self.engine.alias("p", "m", "champion") == wanted
        staged = [r for r in records if r.kind == "archive-run"]
        if staged:
            wanted = "active" if staged[0].params["back"] else "deleted"
            assert self.engine.run_lifecycle("p", RUN) == wanted
        spans = history.alias_spans(self.context.journal, "p", "m", "champion")
        present = spans[0].version if spans else None
        assert present == self.engine.alias("p", "m", "champion")

    @invariant()
    def the_audit_holds(self) -> None:
        assert audit.verify(self.context.journal).broken_at is None

    @invariant()
    def what_ended_was_told_once(self) -> None:
        said = [e.what for e in audit.entries(self.context.journal, limit=10_000)]
        ended = [r for r in self.executor.history(limit=1_000) if r.ended]
        told = [w for w in said if w.endswith((".done", ".compensated", ".failed", ".denied"))]
        assert len(told) == len(ended)


Executors.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestExecutors = pytest.mark.slow(Executors.TestCase)
