"""The loop of alerts in a process that is killed.

python -m tests.services.alerting.drill URL HOME SENT    decides and sends until it is killed, or
                                                         nothing is left; SENT gets a line a message
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from services.actions.journal import Journal
from services.alerting import deciding, outbox
from services.alerting.models import Channel, Message, Policy
from services.alerting.sending import Sender
from services.home import Home
from tests.live import ROOT

POLICY = Policy(group_wait_s=0.2, refill_s=1.0, digest_s=0.5, digest_most_s=0.5)
SLOW_S = 0.02
"""A message takes a moment to arrive, so that kills fall into it."""
_IDLE = 40


def run(url: str, home: Home, sent: Path) -> None:
    """Decide and send, as the controller does, until nothing has come for a while."""
    handle = os.open(sent, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def arrive(channel: Channel, _address: str, message: Message) -> None:
        time.sleep(SLOW_S)
        line = {"channel": channel.name, "id": message.id, "alerts": message.alerts}
        os.write(handle, f"{json.dumps(line)}\n".encode())
        time.sleep(SLOW_S)

    journal = Journal(url)
    sender = Sender(journal, home, arrive)
    idle = 0
    while idle < _IDLE:
        turn = deciding.decide(journal, (), time.time(), POLICY)
        busy = sender.turn() or turn.events or turn.messages
        idle = 0 if busy else idle + 1
        time.sleep(0 if busy else 0.05)
    journal.close()


def begun(url: str, home: Home, sent: Path) -> "subprocess.Popen[bytes]":
    """Start it."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, url, str(home.root), str(sent)], cwd=ROOT
    )


def kill(process: "subprocess.Popen[bytes]") -> bool:
    """Kill it; return whether it still ran."""
    ran = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return ran


def arrived(sent: Path) -> list[dict[str, object]]:
    """Return what arrived, in order."""
    return [json.loads(line) for line in sent.read_text().splitlines()] if sent.exists() else []


def waiting(journal: Journal) -> int:
    """Return how many messages have not arrived."""
    return sum(m.state != "sent" for m in outbox.messages(journal, limit=1000))


if __name__ == "__main__":
    run(sys.argv[1], Home(Path(sys.argv[2])), Path(sys.argv[3]))
