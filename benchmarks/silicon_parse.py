"""Lines of ``macmon pipe`` through the reader, and what one sample of this machine costs.

    .venv/bin/python -m benchmarks.silicon_parse [--lines 10000] [--damaged 1000] [--samples 200]

Each line has figures of its own, and each figure that is read is compared with the one written.
Damaged lines (cut, turned bits, wrong kinds, NaN, nested) are refused; where a turned bit touched
no figure, or made one digit another, they are read. Bounds: no wrong field, no damaged line that
stops anything, and a sample costs at most 1 % of a core at 2 s.
"""

import argparse
import json
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from services.engines.silicon.chain import Host
from services.engines.silicon.macmon import INTERVAL_S, Tiers, parse, to_readings
from services.errors import EngineProtocolError

FIELDS = {
    "cpu_active_ratio": "cpu_ratio",
    "pcpu_active_ratio": "cpu_performance_ratio",
    "ecpu_active_ratio": "cpu_efficiency_ratio",
    "pcpu_freq_mhz": "cpu_performance_mhz",
    "ecpu_freq_mhz": "cpu_efficiency_mhz",
    "gpu_active_ratio": "gpu_ratio",
    "gpu_freq_mhz": "gpu_mhz",
    "cpu_power": "cpu_w",
    "gpu_power": "gpu_w",
    "ane_power": "ane_w",
    "ram_power": "dram_w",
    "all_power": "package_w",
    "sys_power": "system_w",
}
NONSENSE = ("NaN", "-Infinity", "1e999", "null,null", '"0.5"', "true", "[0.5]", "{}", "-3", "")
BOUND = 0.01


def sample(dice: random.Random) -> dict[str, object]:
    """Return one sample with figures of its own, as an M3 Pro prints them."""
    cpu, gpu, ane = dice.uniform(0.1, 60), dice.uniform(0.01, 90), dice.uniform(0, 8)
    total = 38654705664
    return {
        "timestamp": "2026-11-01T12:00:00+00:00",
        "temp": {"cpu_temp_avg": dice.uniform(30, 100), "gpu_temp_avg": dice.uniform(30, 100)},
        "memory": {
            "ram_total": total,
            "ram_usage": dice.randrange(1 << 30, total),
            "swap_total": 4 << 30,
            "swap_usage": dice.randrange(0, 4 << 30),
        },
        "fans": [{"name": "fan0", "rpm": dice.randrange(0, 6000), "max_rpm": 6000}],
        **{key: dice.random() for key in FIELDS if key.endswith("_ratio")},
        **{key: dice.randrange(400, 4500) for key in FIELDS if key.endswith("_mhz")},
        "ecpu_cores": [core(dice, n) for n in range(6)],
        "pcpu_cores": [core(dice, n) for n in range(6)],
        "cpu_power": cpu,
        "gpu_power": gpu,
        "ane_power": ane,
        "all_power": cpu + gpu + ane,
        "ram_power": dice.uniform(0.1, 10),
        "sys_power": dice.uniform(3, 200),
        "gpu_ram_power": dice.random(),
        "soc": {"chip_name": "Apple M3 Pro", "ecpu_label": "E", "pcpu_label": "P"},
    }


def core(dice: random.Random, number: int) -> dict[str, float]:
    busy = dice.random()
    return {"die_id": 0, "core_id": number, "freq_mhz": 2000, "active_ratio": busy}


def wrong_fields(line: str, wanted: dict[str, object]) -> int:
    said = {r.metric: r.value for r in to_readings(parse(line), Tiers())}
    memory, temperature = wanted["memory"], wanted["temp"]
    assert isinstance(memory, dict)
    assert isinstance(temperature, dict)
    pairs = [(said[metric], wanted[key]) for key, metric in FIELDS.items()]
    pairs += [
        (said["memory_total_bytes"], memory["ram_total"]),
        (said["memory_used_bytes"], memory["ram_usage"]),
        (said["swap_used_bytes"], memory["swap_usage"]),
        (said["cpu_temperature_c"], temperature["cpu_temp_avg"]),
        (said["gpu_temperature_c"], temperature["gpu_temp_avg"]),
    ]
    return sum(found != written for found, written in pairs)


def damaged(dice: random.Random, line: str) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        return line[: dice.randrange(len(line) - 1)].encode()
    if kind == 1:
        turned = bytearray(line.encode())
        for _ in range(dice.randrange(1, 5)):
            turned[dice.randrange(len(turned))] ^= 1 << dice.randrange(8)
        return bytes(turned)
    if kind == 2:
        said = json.loads(line)
        key = dice.choice(list(FIELDS))
        text = json.dumps(said | {key: "HERE"})
        return text.replace('"HERE"', dice.choice(NONSENSE)).encode()
    return dice.choice([b"", b"null", b"[" * 100_000, b"\x00\xff", b"Error: no sensor", b"[{}]"])


def read(lines: int) -> None:
    dice = random.Random(1)  # noqa: S311 - examples, the same each time
    samples = [sample(dice) for _ in range(lines)]
    printed = [json.dumps(said) for said in samples]
    begun = time.process_time()
    for line in printed:
        to_readings(parse(line), Tiers())
    spent = time.process_time() - begun
    wrong = sum(map(wrong_fields, printed, samples))
    print(f"{lines} lines of {len(printed[0])} bytes: {wrong} wrong fields,")
    print(f"  {spent / lines * 1e6:.0f} µs a line, {lines / spent:.0f} lines a second of one core")
    assert wrong == 0


def refuse(lines: int) -> None:
    dice = random.Random(2)  # noqa: S311 - examples, the same each time
    refused = 0
    for _ in range(lines):
        line = damaged(dice, json.dumps(sample(dice)))
        try:
            to_readings(parse(line), Tiers())
        except EngineProtocolError:
            refused += 1
    kept = lines - refused
    print(f"{lines} damaged lines: {refused} refused, 0 stops;")
    print(f"  in {kept} the damage touched no figure, or made one digit another")


def cost(samples: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        host = Host.here(Path(home))
        host.sample(datetime.now(UTC))
        begun = time.process_time()
        for _ in range(samples):
            host.sample(datetime.now(UTC))
        spent = (time.process_time() - begun) / samples
        host.close()
    memory = psutil.Process().memory_info().rss
    share = spent / INTERVAL_S
    print(f"a sample of this machine: {spent * 1000:.2f} ms, {share:.3%} of a core at 2 s")
    print(f"memory of this process: {memory / 1e6:.0f} MB")
    assert share <= BOUND


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--damaged", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=200)
    given = parser.parse_args()
    cost(given.samples)
    read(given.lines)
    refuse(given.damaged)


if __name__ == "__main__":
    main()
