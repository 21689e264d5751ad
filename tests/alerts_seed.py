"""A journal of alerts in every state, with channels, messages, silences and people in them."""

import time
from dataclasses import replace

from services.actions.journal import Journal
from services.alerting import channels, closing, deciding, outbox, store
from services.alerting.models import Alert, Channel, Event, Policy, Quiet, Silence
from services.home import Home
from tests.seed import HOSTILE, run_id

LORA, CLIP = "lora-finetuning", "clip-finetuning"
DRIFT = f"drift/{LORA}/{LORA}/data"
ENGINE, ENDPOINT = "engine/serving", f"endpoint/{CLIP}.{CLIP}"
RUN, WILD = f"run/{CLIP}/lora-r8", "run/meta-learning-peft/wild"
GONE, OVER, DISK = "workflow/stable-diffusion.train", f"run/{LORA}/baseline", "disk/var"
SECRET = "T0PSECRET"
_MIN = 60.0


def events(now: float) -> list[Event]:
    """What rules said."""
    return [
        Event(
            DRIFT, now - 50 * _MIN, "firing", "critical", LORA,
            title="The inputs of lora-finetuning drifted",
            said="3 of 20 columns moved in 4,000 predictions of the last hour.",
            cause="The column age is drifted, with 41 % of the model's answer; 2 more columns with "
            "it.",
            suggestion=f"See what changed where {LORA} is asked; if it stays so, retrain it on "
            f"newer data: `mlops run {LORA}`.",
            link=f"/monitoring?deployment={LORA}.{LORA}&verdict=v1",
            labels={"project": LORA, "model": LORA, "version": "2"},
            evidence=("age: effect 0.62, from 0.1 on it counts; 4,000 rows.", "income: effect 0.3",
                      "MLflow was down then. (/alerts?alert=1)", "Not ours. (/nowhere?a=1)"),
        ),
        Event(
            ENGINE, now - 20 * _MIN, "firing", "critical", title="Ray Serve is down",
            said="Ray Serve is down. Models in service go on answering.",
            cause="It ended 4 times in 2 minutes: out of memory.",
            suggestion="`mlops logs serving` says why; `mlops restart serving` starts it again.",
            link="/admin?view=platform", explains=("engine:serving",), labels={"engine": "serving"},
        ),
        Event(
            ENDPOINT, now - 18 * _MIN, "firing", "critical", CLIP,
            title="clip-finetuning.clip-finetuning failed",
            said="Nothing of it is in service.", link=f"/deployments?deployment={CLIP}.{CLIP}",
            labels={"engine": "serving", "project": CLIP},
        ),
        Event(
            RUN, now - 120 * _MIN, "firing", "warning", CLIP, title="Run lora-r8-3 failed",
            said="Run lora-r8-3 (lora-r8) failed on studio.", cause="Out of memory at step 412.",
            suggestion=f"`mlops why {run_id(4, 3)}` looks for the cause.",
            link=f"/run?run={run_id(4, 3)}", labels={"project": CLIP, "run": run_id(4, 3)},
        ),
        Event(
            WILD, now - 5 * _MIN, "firing", "warning", "meta-learning-peft", title=HOSTILE,
            said=HOSTILE, cause=HOSTILE, suggestion=f"`{HOSTILE}`",
            link="javascript:alert(1)", evidence=(HOSTILE,), labels={"host": HOSTILE},
        ),
        Event(
            GONE, now - 300 * _MIN, "firing", "warning", "stable-diffusion",
            title="The workflow stable-diffusion.train failed", said="Run r1 failed.",
            link="/workflows?dag=stable-diffusion.train",
        ),
        Event(
            OVER, now - 400 * _MIN, "firing", "warning", LORA, title="Run baseline-1 failed",
            said="Run baseline-1 (baseline) failed.",
        ),
        Event(
            DISK, now - 30 * _MIN, "firing", "info", title="A disk is nearly full",
            said="4.2 GB are free at /var.", suggestion="`mlops doctor` looks at all disks.",
            link="/admin?view=platform",
        ),
    ]  # fmt: skip


def fill(journal: Journal, home: Home, now: float | None = None) -> dict[str, Alert]:
    """Write all of it; return the alerts by key.

    Told to ``ops``: the engine, the drift, the run. The endpoint is explained by the engine, the
    disk is silenced, of the workflow nobody can tell, somebody looks after the run.
    """
    now = time.time() if now is None else now
    policy = Policy(group_wait_s=0.0)
    reference = channels.keep_address(home, f"json://user:{SECRET}@hooks.example/T0")
    quiet = Quiet(22 * 60, 7 * 60, "Europe/Berlin")
    ops = Channel("ops", "json", "warning", None, reference=reference, created_at=now)
    night = Channel("night", "mailto", "critical", (LORA,), escalation=True, created_at=now)
    for channel in (ops, night):
        channels.put(journal, channel)
    deciding.decide(journal, events(now), now - 4 * _MIN, policy)
    ended = Event(OVER, now - 390 * _MIN, "ok", said="Run baseline-2 finished.")
    unseen = Event(GONE, now - 3 * _MIN, "unknown", said="Airflow does not answer.")
    deciding.decide(journal, [ended, unseen], now - 3 * _MIN, policy)
    found = by_key(journal)
    store.acknowledge(journal, found[RUN].id, "ben", "I take less of a batch.", now - 2 * _MIN)
    silence = Silence(0, "disk/*", None, "ann", "The disk is being grown.", now - _MIN, now + 7200)
    store.add_silence(journal, silence, 10_001)
    old = Silence(0, "run/*", CLIP, "ben", "Over by now.", now - 9000, now - 7000)
    store.add_silence(journal, old, 10_002)
    deciding.decide(journal, [], now - 30, policy)
    _send(journal, now)
    # After it was told: at night it would not have been.
    channels.put(journal, replace(ops, quiet=quiet))
    return by_key(journal)


def _send(journal: Journal, now: float) -> None:
    taken = outbox.claim(journal, now)
    while taken is not None:
        message, _ = taken
        if message.what == "reminder":
            outbox.failed(journal, message, "The service said 503.", now, final=True)
        else:
            outbox.sent(journal, message, message.created_at + 1.2)
        taken = outbox.claim(journal, now)


def by_key(journal: Journal) -> dict[str, Alert]:
    """Return the newest alert of each key."""
    return {one.key: one for one in reversed(store.alerts(journal, ended=True, limit=1000))}


def storm(journal: Journal, count: int, now: float | None = None) -> None:
    """Write so many open alerts."""
    now = time.time() if now is None else now
    said = [
        Event(
            f"run/{LORA}/storm-{number}", now - number / 100, "firing",
            "critical" if number % 7 == 0 else "warning", LORA, title=f"Run storm-{number} failed",
            said="It failed on studio.", cause="Out of memory.",
            suggestion="`mlops why` looks for the cause.",
        )
        for number in range(count)
    ]  # fmt: skip
    deciding.decide(journal, said, now, Policy())


def closed(journal: Journal, key: str, who: str, reason: str) -> Alert:
    """Close an alert as a person does."""
    return closing.close(journal, by_key(journal)[key].id, who, reason, time.time())
