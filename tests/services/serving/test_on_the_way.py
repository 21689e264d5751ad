"""What each version does while a rollout is under way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.actions.journal import Journal
from services.home import Home
from services.serving import looking, on_the_way, store
from services.serving.looks import Deployment, Span
from services.serving.models import (
    EndpointStatus,
    Rollout,
    RolloutStatus,
    RolloutStep,
    Target,
    VersionStatus,
)
from tests.services.serving.test_looking import NAME, home, journal, live, sees

__all__ = ["home", "journal"]
NOW = 1_000_000.0


@pytest.fixture
def seen(home: Home, journal: Journal):
    def made(phase: Any, traffic: float, *, first: bool = False, step: Any = None, **rollout: Any):
        if not first:
            live(journal, 1)
        wish = Rollout(Target(2), action_id=7, actor="bob", watch_s=60.0, **rollout)
        store.put_rollout(journal, "lora", "net", wish)
        steps = (step,) if step else ()
        old = () if first else (VersionStatus(1, "live", share=1.0 - traffic),)
        found = EndpointStatus(
            NAME, phase, "", 2, (*old, VersionStatus(2, phase, share=traffic)),
            RolloutStatus(2, wish.strategy, 7, "running", steps=steps, began_at=NOW - 90),
        )  # fmt: skip
        sees(home, found)
        return looking.deployment(home, journal, NAME)

    return made


def watching(seen: Any, **more: Any) -> Deployment:
    found: Deployment = seen(
        "watching", 1.0, step=RolloutStep("Watch", "running", "", NOW - 20), **more
    )
    return found


def test_a_version_that_is_watched_answers_and_the_old_one_is_kept(seen: Any):
    one = watching(seen)
    assert one.version == 2, "what answers"
    assert one.live is not None
    assert one.live.version == 1, "what is wanted until it proved well"
    assert on_the_way.words(one, NOW) == ("2 live, watched, 40 s left", "1 kept to go back to")
    assert on_the_way.short(one) == "2, watched"
    assert on_the_way.kept(one, 1)
    assert not on_the_way.kept(one, 2)
    assert on_the_way.words(one, NOW + 41)[0] == "2 live, watched", "its end is a moment away"
    span = Span(1, datetime.fromtimestamp(NOW - 500, UTC), None, "ana", "")
    new, old = on_the_way.with_watched((span,), one, NOW)
    assert (new.version, new.began_at.timestamp(), new.ended_at) == (2, NOW - 20, None)
    assert old.ended_at == new.began_at


def test_a_first_version_has_none_to_go_back_to(seen: Any):
    assert on_the_way.words(watching(seen, first=True), NOW) == ("2 live, watched, 40 s left",)


@pytest.mark.parametrize(
    ("phase", "traffic", "more", "told", "tile"),
    [
        ("loading", 0.0, {}, ("1 live", "2 loads"), "1 → 2"),
        ("checking", 0.0, {}, ("1 live", "2 is checked"), "1 → 2"),
        ("loading", 0.0, {"first": True}, ("2 loads",), "2"),
        ("canary", 0.25, {"strategy": "canary", "share": 0.25},
         ("1 live", "2 canary, 25 %"), "1 + 2"),
        ("canary", 0.0, {"strategy": "canary", "header": True},
         ("1 live", "2 canary, by header"), "1 + 2"),
        ("shadow", 0.0, {"strategy": "shadow"},
         ("1 live", "2 shadow, its answers are only compared"), "1 → 2"),
    ],
)  # fmt: skip
def test_both_are_named_with_what_they_do(
    seen: Any, phase: str, traffic: float, more: dict[str, Any], told: tuple[str, ...], tile: str
):
    one = seen(phase, traffic, **more)
    assert on_the_way.words(one, NOW) == told
    assert on_the_way.short(one) == tile
    assert not on_the_way.kept(one, 1)
    assert on_the_way.with_watched((), one, NOW) == ()


def test_without_a_rollout_there_is_nothing_to_tell(home: Home, journal: Journal):
    live(journal, 1)
    sees(home, EndpointStatus(NAME, "live", "", 2, (VersionStatus(1, "live", share=1.0),)))
    one = looking.deployment(home, journal, NAME)
    assert on_the_way.words(one, NOW) == ()
    assert on_the_way.short(one) == "1"
