"""Alerting: from event to notification, a storm, kills in a storm.

    .venv/bin/python -m benchmarks.alerts [--only PART…] [--trials 5] [--count 6] [--patience 400]
                                          [--events 10000] [--kills 20]

Parts: ``delay`` (from an event handed over to its arrival at a webhook, with the loops, pauses and
settings of the controller: the first, second, third … alert of a group, each handed over when the
one before arrived; warnings and what is critical; all trials at once, each in a home of its own;
the longest of all counts against 15 s), ``storm`` (as many events at once, within 200 s and within
1,200 s: messages to three channels until 20 minutes after the last; bound 20 a channel; time and
memory), ``spread`` (as many alerts within a minute to an hour on a clock of its own: messages to
one channel until three hours later, with reminders; bound 20, each alert in one), ``kills`` (the
loop killed while it storms; none missed, at most one doubled a kill; of the whole controller:
``benchmarks.controller_kills``). Each part says how long it took.
"""

import argparse
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.actions.journal import Journal
from services.alerting import channels, deciding, outbox, store
from services.alerting.models import Channel, Event, Policy, Severity
from services.alerting.sending import Sender
from services.controller import alerts
from services.controller.alerts import AlertWatch
from services.controller.loops import Loop
from services.home import Home
from tests.services.alerting import drill, webhook
from tests.services.alerting.simulated import Simulated
from tests.services.alerting.simulated import storm as storm_of
from tests.services.alerting.things import NOW

BOUND_S = 15.0
BOUND_MESSAGES = 20
_NAMES = ("ops", "boss", "night")
_SECRET = "of nobody's worth"  # noqa: S105  webhooks with one get bodies that name their alerts
_OVER_S = (0, 200, 1200)
_AFTER_S, _STEP_S = 1200, 5
_SPREAD_S = (60.0, 200.0, 1200.0, 3600.0)


def event(number: int, *, at: float | None = None) -> Event:
    of, moment = f"p{number % 9}", time.time() if at is None else at
    key = f"{('run', 'drift', 'endpoint')[number % 3]}/{of}/{number}"
    severity: Severity = "critical" if number % 10 == 0 else "warning"
    return Event(key, moment, "firing", severity, of, title=f"{key} is not well")


def opened(folder: Path) -> tuple[Home, Journal]:
    home = Home(folder / "home")
    home.create()
    return home, Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")


def add(journal: Journal, home: Home, name: str, address: str) -> None:
    reference = channels.keep_address(home, address, _SECRET)
    channels.put(journal, Channel(name, "json", private=True, reference=reference))


def delay(folder: Path, trials: int, count: int, patience_s: float) -> bool:
    """Print how long alerts of a group take to a webhook; return whether all are in bound."""
    severities: tuple[Severity, ...] = ("warning", "critical")
    asked = [(severity, trial) for severity in severities for trial in range(trials)]
    with ThreadPoolExecutor(len(asked)) as pool:
        found = list(pool.map(lambda one: _group(folder, one[0], one[1], count, patience_s), asked))
    held = True
    for severity in severities:
        mine = [spent for (kind, _), spent in zip(asked, found, strict=True) if kind == severity]
        for place in range(count):
            took = sorted(spent[place] for spent in mine)
            longest = max(took)
            held &= longest <= BOUND_S
            least = " or more" if longest >= patience_s else ""
            print(
                f"  delay, {trials} × {severity} {place + 1} of a group: median "
                f"{statistics.median(took):.1f} s, longest {longest:.1f} s{least}, "
                f"{'within' if longest <= BOUND_S else 'OUT OF'} {BOUND_S:g} s",
                flush=True,
            )
    return held


def _group(
    folder: Path, severity: Severity, trial: int, count: int, patience_s: float
) -> list[float]:
    """Return the seconds of each alert of one group; ``patience_s`` of one that did not come."""
    time.sleep(trial * 0.37)  # they are not to turn as one
    home, journal = opened(folder / severity / str(trial))
    took = []
    with webhook.running() as hooks:
        add(journal, home, "ops", hooks.address("take"))
        loops = [
            Loop("alerts", AlertWatch(home, journal, ()).turn, alerts.INTERVAL_S),
            Loop("notifications", Sender(journal, home).turn, alerts.SENDING_INTERVAL_S),
        ]
        for loop in loops:
            loop.start()
        for number in range(count):
            began, key = time.monotonic(), f"drift/lora/m/{number}"
            store.post(journal, [Event(key, time.time(), "firing", severity, "lora")])
            while not _told(hooks, key) and time.monotonic() - began < patience_s:
                time.sleep(0.02)
            took.append(min(time.monotonic() - began, patience_s))
        for loop in loops:
            loop.stop()
    journal.close()
    return took


def _told(hooks: webhook.Hooks, key: str) -> bool:
    """Return whether a message that arrived tells of an alert."""
    return any(one["key"] == key for _, body in list(hooks.got) for one in body["alerts"])


def storm(folder: Path, count: int, over_s: int) -> bool:
    """Print what becomes of events that come within so many seconds."""
    home, journal = opened(folder / f"over-{over_s}")
    for name in _NAMES:
        add(journal, home, name, "json://127.0.0.1/")
    start, began, longest, posted = time.time(), time.monotonic(), 0.0, 0
    whole_s = over_s + _AFTER_S
    # The loop's clock runs as fast as it goes: what was held back, and reminders, come too.
    for step in range(0, whole_s, _STEP_S):
        due = count if step >= over_s else count * step // over_s
        coming = [event(n, at=start + step) for n in range(posted, due)]
        for begin in range(0, len(coming), 1000):
            store.post(journal, coming[begin : begin + 1000])
        posted, again = due, True
        while again:
            turn = time.monotonic()
            again = deciding.decide(journal, (), start + step, Policy()).again
            longest = max(longest, time.monotonic() - turn)
    took = time.monotonic() - began
    messages = outbox.messages(journal, limit=99_999)
    told = {name: {a for m in messages if m.channel == name for a in m.alerts} for name in _NAMES}
    by_channel = {name: sum(m.channel == name for m in messages) for name in _NAMES}
    whole = all(len(one) == count for one in told.values())
    held = max(by_channel.values()) <= BOUND_MESSAGES and whole
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 * 1024 if sys.platform == "darwin" else 1024
    )
    journal.close()
    print(
        f"  storm, {count:,} events {f'within {over_s:,} s' if over_s else 'at once'}: "
        f"{len(messages)} messages in {whole_s // 60} min, by channel "
        f"{' '.join(f'{name} {number}' for name, number in by_channel.items())} "
        f"({'within' if held else 'OUT OF'} {BOUND_MESSAGES} a channel; all channels together "
        f"{'within' if len(messages) <= BOUND_MESSAGES else 'above'} that); each alert "
        f"{'told to each' if whole else 'NOT told to each'}; {whole_s // _STEP_S} turns in "
        f"{took:.1f} s, the longest {longest:.1f} s, peak {peak:.0f} MiB",
        flush=True,
    )
    return held


def spread(count: int) -> bool:
    """Print what becomes of alerts that come over up to an hour, on a clock of its own."""
    held = True
    for over_s in _SPREAD_S:
        found = Simulated()
        found.live(storm_of(count, over_s), NOW + over_s + 3 * 3600)
        late = max(found.first[key] - one.since for key, one in found.present.items())
        told = len(found.first)
        good = told == count and len(found.messages) <= BOUND_MESSAGES
        print(
            f"  spread, {count:,} alerts within {over_s:g} s: {len(found.messages)} messages "
            f"({'within' if good else 'OUT OF'} {BOUND_MESSAGES}), {told:,} told, the latest after "
            f"{late / 60:.0f} min",
            flush=True,
        )
        held = held and good
    return held


def kills(folder: Path, count: int, wanted: int) -> bool:
    home, journal = opened(folder)
    for name in _NAMES:
        add(journal, home, name, "json://127.0.0.1/")
    rng, sent = random.Random(1), folder / "sent.jsonl"  # noqa: S311  no secret
    killed, posted = 0, 0
    while killed < wanted:
        before = len(drill.arrived(sent))
        process = drill.begun(journal.url, home, sent)
        until = min(count, posted + -(-count // wanted))  # the storm lasts as long as the kills
        store.post(journal, [event(n) for n in range(posted, until)])
        posted = until
        while len(drill.arrived(sent)) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.2))
        ran = drill.kill(process)
        killed += ran
        if not ran and posted == count:
            break  # nothing is left to send
    drill.begun(journal.url, home, sent).wait()
    arrived = drill.arrived(sent)
    times = Counter((one["channel"], one["id"]) for one in arrived)
    doubled = sum(number - 1 for number in times.values())
    missed = 0
    for name in _NAMES:
        told = {a for one in arrived if one["channel"] == name for a in one["alerts"]}  # type: ignore[attr-defined]
        missed += count - len(told)
    print(
        f"  kills, {killed} in a storm of {count:,} events: {len(times)} messages, {missed} alerts "
        f"missed, {doubled} messages doubled"
    )
    return missed == 0 and doubled <= killed


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.alerts", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=["delay", "storm", "spread", "kills"])
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--count", type=int, default=Policy().burst)
    parser.add_argument("--patience", type=float, default=400.0)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    asked = parser.parse_args(argv)
    parts: dict[str, Callable[[Path], bool]] = {
        "delay": lambda folder: delay(folder, asked.trials, asked.count, asked.patience),
        "storm": lambda folder: min([storm(folder, asked.events, over) for over in _OVER_S]),
        "spread": lambda _folder: spread(asked.events),
        "kills": lambda folder: kills(folder, asked.events, asked.kills),
    }
    good = True
    for name, part in parts.items():
        if asked.only and name not in asked.only:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            held = part(Path(folder))
        minutes = (time.monotonic() - began) / 60
        print(f"{name}: {'within' if held else 'OUT OF'} its bounds; {minutes:.1f} min", flush=True)
        good = good and held
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
