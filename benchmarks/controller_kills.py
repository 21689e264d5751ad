"""The real controller is killed in a storm of alerts: none is missed, at most one doubled a kill.

    .venv/bin/python -m benchmarks.controller_kills [--events 10000] [--kills 10]

``services.controller`` runs as a process of its own over a home of its own, with the default
times of the outbox, and is killed with SIGKILL at moments that a seed draws: while it decides,
while it sends, while it starts. A web server on this machine takes what its channel sends. Ends
with 1 when an alert is in no message that arrived, or more messages came twice than it was killed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

from services.actions.journal import Journal
from services.alerting import channels, outbox, store
from services.alerting.models import Channel, Event, Message
from services.home import Home
from services.settings import Settings
from tests.live import ROOT, own_ports
from tests.services.alerting import webhook

_SECRET = "of nobody's worth"  # noqa: S105  webhooks with one get bodies that name their message
_PATIENCE_S = 1_800.0
_START_S = 90.0


def controller(home: Home) -> "subprocess.Popen[bytes]":
    """Start it, without the engines that this is not about."""
    environment = {
        **os.environ, **own_ports(), "MLOPS_HOME": str(home.root), "PYTHONPATH": str(ROOT),
        "MLOPS_AIRFLOW_ENABLED": "false", "MLOPS_SERVING_ENABLED": "false",
    }  # fmt: skip
    log = (home.root / "controller.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "services.controller"], cwd=ROOT, env=environment,
        stdout=log, stderr=log,
    )  # fmt: skip


def storm(first: int, count: int) -> list[Event]:
    """Return events of nine projects, one in ten of them critical."""
    return [
        Event(
            f"drift/p{number % 9}/m{number}/data", time.time(), "firing",
            "critical" if number % 10 == 0 else "warning", f"p{number % 9}",
            title=f"The inputs of m{number} drifted",
        )
        for number in range(first, first + count)
    ]  # fmt: skip


def run(folder: Path, events: int, kills: int) -> bool:
    """Kill it so often while it storms, let the last one end its work, and count."""
    os.environ["MLOPS_HOME"] = str(folder)
    home = Home.locate()
    home.create()
    (home.secrets / "mlflow-platform.token").write_text("nobody asks for it")
    journal, rng = Journal.open(Settings()), random.Random(6)  # noqa: S311  no secret
    with webhook.running() as hooks:
        reference = channels.keep_address(home, hooks.address("take"), _SECRET)
        channels.put(journal, Channel("ops", "json", private=True, reference=reference))
        killed, each = 0, -(-events // (kills + 1))
        for part in range(kills + 1):
            process = controller(home)
            store.post(journal, storm(part * each, min(each, events - part * each)))
            if part == kills:
                break
            _until(lambda: (home.run / "controller.json").exists(), _START_S)
            time.sleep(rng.uniform(0.0, 12.0))
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            (home.run / "controller.json").unlink(missing_ok=True)
        _until(lambda: not waiting(journal, events), _PATIENCE_S, 2.0)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        got = Counter(str(body["message"]) for _, body in hooks.got)
    messages = outbox.messages(journal, limit=99_999)
    ours = {one.id for one in store.alerts(journal, limit=10 * events, kind="drift")}
    missed, doubled = counted(got, messages, ours, events)
    journal.close()
    print(
        f"{killed} kills of the real controller in a storm of {events:,} events: {len(got)} "
        f"messages, {sum(got.values())} arrived, {missed} alerts missed, {doubled} doubled"
    )
    return missed == 0 and doubled <= killed


def counted(
    got: Mapping[str, int], messages: Sequence[Message], alerts: Set[int], events: int
) -> tuple[int, int]:
    """Return how many alerts were missed, and how many messages came more than once.

    Args:
        got: How often each message arrived, by its id.
        messages: What was written.
        alerts: Ids of all that came of the events.
        events: How many were handed over, each of an alert of its own.
    """
    told = {alert for one in messages if got.get(str(one.id), 0) for alert in one.alerts}
    return len(alerts - told) + events - len(alerts), sum(times - 1 for times in got.values())


def waiting(journal: Journal, events: int) -> bool:
    """Return whether an alert is told in no message yet, or a message has not arrived."""
    messages = outbox.messages(journal, limit=9999)
    told = {alert for one in messages for alert in one.alerts}
    ours = store.alerts(journal, limit=10 * events, kind="drift")
    return (
        len(ours) < events
        or any(one.id not in told for one in ours)
        or any(one.state != "sent" for one in messages)
    )


def _until(holds: Callable[[], bool], timeout_s: float, every_s: float = 0.05) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"It did not come to that in {timeout_s:.0f} s.")
        time.sleep(every_s)


def main() -> int:
    """Run it; 0 when the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        held = run(Path(folder), asked.events, asked.kills)
    minutes = (time.monotonic() - began) / 60
    print(f"  {'within' if held else 'OUT OF'} its bounds; {minutes:.1f} min")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
