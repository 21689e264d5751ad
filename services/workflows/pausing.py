"""Which jobs that run are to pause, from where the thermal policy stands with each machine.

The answer follows from the policy and from who was paused before, so a turn that was missed (the
controller was restarted, the file could not be written) is made up for by the next.
"""

from collections.abc import Iterable, Mapping, Sequence

from services.workflows.simulation import Running
from services.workflows.thermal import Decision, HostPolicy


def to_pause(
    before: Mapping[str, str],
    running: Sequence[Running],
    policies: Mapping[str, HostPolicy],
    decisions: Iterable[Decision] = (),
) -> dict[str, str]:
    """Return why each job that is to pause does, by its id; whoever is not named goes on.

    Heat and an empty battery pause all training of a machine; want of memory the largest job, and
    one more with every decision that says so. Endpoints are never among them.

    Args:
        before: What this returned last; empty after a restart.
        running: The jobs that run.
        policies: Where the policy stands, by machine.
        decisions: What the policy decided since then.
    """
    more = {one.host for one in decisions if "pause_largest" in one.acts}
    found: dict[str, str] = {}
    for host, policy in policies.items():
        if not policy.paused:
            continue
        here = [one for one in running if one.host == host and not one.released]
        kept = {one.job.id: before[one.job.id] for one in here if one.job.id in before}
        if policy.stance == "pause":
            added = here if policy.rule != "memory" else _largest(here, kept, more=host in more)
            kept |= {one.job.id: policy.said for one in added}
        found |= kept
    return found


def _largest(
    here: Sequence[Running], kept: Mapping[str, str], *, more: bool
) -> tuple[Running, ...]:
    left = [one for one in here if one.job.id not in kept]
    if not left or (kept and not more):
        return ()
    return (max(left, key=lambda one: (one.job.needs.memory_bytes, one.job.id)),)
