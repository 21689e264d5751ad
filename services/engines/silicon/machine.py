"""Who a machine is: its id, chip, cores and memory; asked once."""

import contextlib
import hashlib
import platform
import re
import secrets
import socket
import sys
from pathlib import Path

import psutil

from services.engines.command import Run, run
from services.engines.silicon.chips import chip as facts_of
from services.engines.silicon.commands import gpu_core_count, wired_limit_bytes
from services.engines.silicon.models import CoreTier, Machine
from services.errors import EngineError

_TIMEOUT_S = 10.0
_WORKING_SET = (
    "import mlx.core as mx; "
    "metal = mx.metal.is_available(); "
    "print(int(mx.device_info()['max_recommended_working_set_size']) if metal else 0)"
)
_TIERS = {"super": "super", "performance": "performance", "efficiency": "efficiency"}


def host_id(name: str, machine_id: str) -> str:
    """Return the id of a machine: its short name for people, eight digits that make it unique."""
    short = re.sub(r"[^a-z0-9-]+", "-", name.split(".")[0].lower()).strip("-") or "host"
    return f"{short[:40]}-{_digits(machine_id)}"


def own_id(kept: Path, ask: Run = run, name: str | None = None) -> str:
    """Return the id of this machine, the same as ever though it is renamed meanwhile.

    A Mac is renamed by the network it is on; a new name would cut its history in two. The first id
    is therefore kept beside ``kept`` (see ``machine_id``); one that came from another machine, with
    a folder that was copied, does not count.
    """
    here = machine_id(kept, ask)
    first = kept.with_name("host-name")
    told = _text(first)
    if told.endswith(f"-{_digits(here)}"):
        return told
    made = host_id(socket.gethostname() if name is None else name, here)
    with contextlib.suppress(OSError):  # nowhere to keep it: the name of today is as good
        _keep(first, made)
    return made


def _digits(machine_id: str) -> str:
    return hashlib.sha256(machine_id.strip().encode()).hexdigest()[:8]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _keep(path: Path, text: str) -> None:
    """Write a file whole, or not at all."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    new.write_text(text)
    new.replace(path)


def machine_id(kept: Path, ask: Run = run, etc: Path = Path("/etc/machine-id")) -> str:
    """Return what stays the same when a machine is renamed or starts again.

    Linux's machine-id, macOS's platform UUID; else a random one that is kept in ``kept``.
    """
    if sys.platform == "darwin":
        said = _asked(ask, "ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
        found = re.search(r'"IOPlatformUUID" = "([0-9A-F-]{36})"', said)
        if found:
            return found[1]
    elif text := _text(etc):
        return text
    # A container has none: the kept one is as good.
    if text := _text(kept):
        return text
    made = secrets.token_hex(16)
    kept.parent.mkdir(parents=True, exist_ok=True)
    _keep(kept, made)
    return made


def describe(kept: Path, ask: Run = run) -> Machine:
    """Return what this machine is; what nobody tells is None."""
    host = own_id(kept, ask)
    if sys.platform == "darwin":
        return apple(host, ask)
    return Machine(
        host=host,
        chip=_linux_chip(),
        apple_silicon=False,
        os=f"{platform.system()} {platform.release()}",
        tiers=(CoreTier("all", psutil.cpu_count() or 0),),
        memory_bytes=psutil.virtual_memory().total,
    )


def apple(host: str, ask: Run) -> Machine:
    """Return what a Mac says of itself."""
    said = _asked(
        ask, "sysctl", "-i", "machdep.cpu.brand_string", "hw.model", "hw.memsize", "hw.nperflevels",
        *(f"hw.perflevel{n}.{what}" for n in range(3) for what in ("name", "logicalcpu")),
        "iogpu.wired_limit_mb",
    )  # fmt: skip
    told = dict(re.findall(r"^([\w.]+): (.*)$", said, re.MULTILINE))
    chip = told.get("machdep.cpu.brand_string")
    silicon = bool(chip and chip.startswith("Apple "))
    memory = told.get("hw.memsize", "")
    return Machine(
        host=host,
        chip=chip,
        apple_silicon=silicon,
        os=f"macOS {_asked(ask, 'sw_vers', '-productVersion').strip()}".strip(),
        model=told.get("hw.model"),
        tiers=_tiers(told, chip),
        gpu=chip if silicon else None,
        gpu_cores=gpu_core_count(
            _asked(ask, "ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
        ),
        memory_bytes=int(memory) if memory.isdigit() else None,
        recommended_working_set_bytes=wired_limit_bytes(said) or _working_set(ask),
    )


def _tiers(told: dict[str, str], chip: str | None) -> tuple[CoreTier, ...]:
    """Return the cores by tier, fastest first, as macOS names them; else as the chip is known."""
    facts = facts_of(chip)
    names = ("", "") if facts is None else (facts.high, facts.low)
    out = []
    for level in range(3):
        cores = told.get(f"hw.perflevel{level}.logicalcpu", "")
        if not cores.isdigit():
            continue
        said = told.get(f"hw.perflevel{level}.name", "").lower()
        name = _TIERS.get(said) or (names[level] if level < len(names) else "")
        out.append(CoreTier(name or "all", int(cores)))  # type: ignore[arg-type]  # of _TIERS
    return tuple(out)


def _working_set(ask: Run) -> int | None:
    """Return what Metal recommends; asked in another process, MLX must not stay in this one."""
    said = _asked(ask, sys.executable, "-c", _WORKING_SET).strip()
    return int(said) if said.isdigit() and int(said) else None


def _asked(ask: Run, *arguments: str) -> str:
    try:
        return ask(arguments, _TIMEOUT_S).decode(errors="replace")
    except EngineError:
        return ""


def _linux_chip(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    try:
        found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return platform.processor() or None
    return found[1].strip() if found else platform.machine() or None
