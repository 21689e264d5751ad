"""What is wrong with this installation, and its mend: one small function a check."""

import os
import platform
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from services.errors import EngineError, MlopsError, PlatformError
from services.home import Home, toolkit_root
from services.platform import control, ports, processes, public_address, room, sign_on
from services.platform import state as states
from services.platform.airflow_doctor import airflow
from services.platform.bootstrap import is_current
from services.platform.configuration import load_settings
from services.platform.databases import ask, on_postgres
from services.platform.engines import preferred_ports, version_of
from services.platform.evidently_doctor import evidently
from services.platform.files_doctor import database_files, state_files
from services.platform.serving_doctor import serving
from services.postgres import shown

Level = Literal["ok", "warning", "error"]

SAFE_MINIMUM = {
    "ray": "2.59",
    "mlflow": "3.17",
    "bentoml": "1.4.39",
    "streamlit": "1.54",
    "starlette": "0.49.1",
}
"""Below these are known vulnerabilities. Airflow has an environment of its own, see below."""

_LOW_DISK_BYTES = 2 << 30
_NO_DISK_BYTES = 200 << 20
_SQLITE_MENDED = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    meaning: str
    mend: str = ""


Check = Callable[[Home], Iterator[Finding]]


def examine(home: Home) -> tuple[Finding, ...]:
    """Return what every check found, errors first."""
    found = [finding for check in CHECKS for finding in check(home)]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.level)))


_ORDER: tuple[Level, ...] = ("error", "warning", "ok")


def python_version(home: Home) -> Iterator[Finding]:
    """Look at the interpreter."""
    del home
    now = sys.version_info[:2]
    words = f"{platform.python_version()} at {sys.executable}"
    if (3, 11) <= now < (3, 14):
        yield Finding("ok", "Python", words)
    else:
        yield Finding("error", "Python", f"{words} is outside 3.11–3.13.", _PYTHON_MEND)


_PYTHON_MEND = "Install Python 3.12, remove .venv, and run ./mlops again."


def package_versions(home: Home) -> Iterator[Finding]:
    """Look for packages below their safe minimum."""
    from packaging.version import Version

    del home
    for package, minimum in SAFE_MINIMUM.items():
        have = version_of(package)
        if not have:
            meaning = "is not installed in this environment."
            yield Finding("error", package, f"{package} {meaning}", _INSTALL_MEND)
        elif Version(have) < Version(minimum):
            meaning = f"{have} has known vulnerabilities; {minimum} is the first without."
            yield Finding("error", package, meaning, _INSTALL_MEND)
        else:
            yield Finding("ok", package, f"{have} (safe from {minimum})")


_INSTALL_MEND = "Run the command line as ./mlops: it installs the pinned versions."


def environment(home: Home) -> Iterator[Finding]:
    """Look whether the installed packages are the pinned ones."""
    del home
    root = toolkit_root()
    if not (root / ".venv").is_dir():
        meaning = f"No environment of its own at {root / '.venv'}; this one is {sys.prefix}."
        yield Finding("warning", "environment", meaning, "Run ./mlops status: it makes one.")
    elif is_current(root, "platform"):
        yield Finding("ok", "environment", "is what requirements/ pins")
    else:
        meaning = "requirements/ or pyproject.toml changed since it was installed."
        yield Finding(
            "error", "environment", meaning, "Run ./mlops status: it brings it up to date."
        )


def tools(home: Home) -> Iterator[Finding]:
    """Look for the outside commands."""
    del home
    wanted = {
        "uv": ("error", "Project environments cannot be made.", _INSTALL_MEND),
        "git": ("error", "Runs cannot be tagged with their commit.", "Install git."),
    }
    for name, (level, meaning, mend) in wanted.items():
        beside = Path(sys.executable).with_name(name)
        path = str(beside) if beside.exists() else shutil.which(name)
        if path:
            yield Finding("ok", name, path)
        else:
            yield Finding("error" if level == "error" else "warning", name, meaning, mend)


def apple_silicon(home: Home) -> Iterator[Finding]:
    """Look for the source of Apple-Silicon telemetry."""
    del home
    if sys.platform != "darwin":
        return
    if shutil.which("macmon"):
        yield Finding("ok", "macmon", "is installed")
    else:
        meaning = "GPU, power and temperature figures come from coarser sources or not at all."
        yield Finding("warning", "macmon", f"is missing: {meaning}", "brew install macmon")


def sqlite(home: Home) -> Iterator[Finding]:
    """Look at the version of SQLite that Python carries."""
    del home
    have = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= _SQLITE_MENDED:
        yield Finding("ok", "SQLite", have)
        return
    meaning = (
        f"{have} has the WAL-reset race (mended in 3.51.3): with two writers and a checkpoint at "
        "the same moment a database can be damaged."
    )
    mend = (
        "The platform keeps one writer a database and the journal out of WAL mode, so nothing "
        "needs doing; do not write to its databases yourself."
    )
    yield Finding("warning", "SQLite", meaning, mend)


def home_folder(home: Home) -> Iterator[Finding]:
    """Look whether the home folder can be written."""
    nearest = next(path for path in (home.root, *home.root.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        meaning = f"{nearest} is not writable by this user."
        mend = "Take it over (chown), or set MLOPS_HOME to a folder of yours."
        yield Finding("error", "home folder", meaning, mend)
    else:
        yield Finding("ok", "home folder", str(home.root))


def disk(home: Home) -> Iterator[Finding]:
    """Look at the free space of every disk we write to."""
    for folder, free in room.free_bytes(home):
        words = f"{free / 1e9:.1f} GB free at {folder}"
        if free < room.FULL_BYTES:
            yield Finding("error", "disk", room.full_disk(folder, free), room.MEND)
        elif free < _NO_DISK_BYTES:
            yield Finding("error", "disk", f"Only {words}: databases cannot grow.", room.MEND)
        elif free < _LOW_DISK_BYTES:
            yield Finding("warning", "disk", f"Only {words}.", room.MEND)
        else:
            yield Finding("ok", "disk", words)


def secrets_folder(home: Home) -> Iterator[Finding]:
    """Look whether others can read the secrets."""
    if not home.secrets.exists():
        yield Finding("ok", "secrets", "None yet; `mlops up` makes them.")
        return
    try:
        open_ones = [
            path for path in (home.secrets, *home.secrets.iterdir()) if _open_to_others(path)
        ]
        foreign = [
            p for p in (home.secrets, *home.secrets.iterdir()) if p.stat().st_uid != os.getuid()
        ]
    except OSError as error:
        mend = f"sudo chown -R $(id -un) {home.secrets}"
        yield Finding("error", "secrets", f"{home.secrets} cannot be read: {error}.", mend)
        return
    if open_ones:
        names = ", ".join(path.name for path in open_ones)
        mend = f"chmod 700 {home.secrets} && chmod 600 {home.secrets}/*  (`mlops up` does it too)"
        yield Finding("error", "secrets", f"Others can read {names}.", mend)
    if foreign:
        names = ", ".join(path.name for path in foreign)
        mend = f"sudo chown -R $(id -un) {home.secrets}"
        yield Finding("error", "secrets", f"{names} belong to another user.", mend)
    if not open_ones and not foreign:
        yield Finding("ok", "secrets", "readable by their owner alone")


def _open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def settings(home: Home) -> Iterator[Finding]:
    """Look whether the settings can be read."""
    del home
    try:
        load_settings()
    except MlopsError as error:
        yield Finding("error", "settings", error.message, error.hint)
    else:
        yield Finding("ok", "settings", "can be read")


def databases(home: Home) -> Iterator[Finding]:
    """Look whether the Postgres databases answer."""
    del home
    try:
        named = tuple(on_postgres(load_settings()))
    except MlopsError:
        return  # said by the check of the settings
    for name, url in named:
        what = f"{name} database"
        try:
            server = ask(url)
        except PlatformError as error:
            yield Finding("error", what, error.message, error.hint)
        else:
            words = f"Postgres {server.version}, {shown(url)}, {server.database_bytes / 1e6:.0f} MB"
            yield Finding("ok", what, words)


def wished_ports(home: Home) -> Iterator[Finding]:
    """Look who sits on the ports we would use."""
    try:
        wished = preferred_ports(load_settings())
    except MlopsError:
        return  # said by the check of the settings
    ours = {one.pid for one in processes.marked(home.root)}
    if os.environ.get(processes.MARK, "").startswith(processes.mark(home.root, "")):
        ours.add(os.getpid())  # the dashboard looks as well, and is itself the one who listens
    for name, port in wished.items():
        if ports.is_free(port):
            yield Finding("ok", f"port {port}", f"free for the {name}")
            continue
        holder = ports.holder(port)
        if any(f"pid {pid})" in holder for pid in ours):
            yield Finding("ok", f"port {port}", f"used by our own {name}")
            continue
        who = holder or "a process of another user"
        mend = f"Nothing needs doing; or end it, or set MLOPS_{name.upper()}_PORT to another."
        if sys.platform == "darwin" and port == 5000:
            mend += " On a Mac this is often the AirPlay receiver (System Settings, General)."
        meaning = f"is taken by {who}; the {name} gets another port."
        yield Finding("warning", f"port {port}", meaning, mend)


def telemetry_way_in(home: Home) -> Iterator[Finding]:
    """Look whether other machines can reach the telemetry, and what others on the way can read."""
    del home
    try:
        found = load_settings()
    except MlopsError:
        return  # said by the check of the settings
    what, address = "telemetry", found.telemetry_listen
    if ip_address(address).is_loopback:
        yield Finding("ok", what, "listens on this machine alone")
        return
    for path in (found.telemetry_certificate, found.telemetry_key):
        if path is not None and not os.access(path, os.R_OK):
            mend = "Set telemetry_certificate and telemetry_key to PEM files of yours."
            yield Finding("error", what, f"{path} cannot be read: agents cannot report.", mend)
            return
    if found.telemetry_certificate is not None:
        yield Finding("ok", what, f"agents report to {address} with TLS")
        return
    meaning = (
        f"listens on {address} without TLS: who is on the network between can read the tokens and "
        "figures of agents, and send figures of their own with such a token."
    )
    mend = (
        "Set telemetry_certificate and telemetry_key; or telemetry_listen to 127.0.0.1, and let "
        "agents come by a tunnel (ssh -N -L 9470:127.0.0.1:9470 HOST)."
    )
    yield Finding("warning", what, meaning, mend)


def single_sign_on(home: Home) -> Iterator[Finding]:
    """Look at the configuration of single sign-on, when there is one, and ask the provider."""
    what = "single sign-on"
    try:
        provider = sign_on.read(home)
    except PlatformError as error:
        yield Finding("error", what, error.message, error.hint)
        return
    if provider is None:
        return
    try:
        sign_on.ask(provider)
    except EngineError as error:
        mend = f"Check server_metadata_url in {sign_on.path(home)}: {provider.metadata_url}"
        yield Finding("warning", what, f"{error.message} People use their passwords.", mend)
    else:
        yield Finding("ok", what, f"{provider.metadata_url} answers")


def leftovers(home: Home) -> Iterator[Finding]:
    """Look for processes without a supervisor."""
    if control.running(home):
        yield Finding("ok", "processes", "kept by the supervisor")
        return
    alive = {one.pid for one in processes.marked(home.root)}
    try:
        known = states.load(home.run / "state.json").engines
    except PlatformError:
        known = ()
    alive |= {one.leader.pid for one in known if one.leader and one.leader.alive}
    if alive:
        meaning = (
            f"{len(alive)} run without a supervisor (pids {', '.join(map(str, sorted(alive)))})."
        )
        mend = "`mlops up` adopts them; `mlops down` ends them."
        yield Finding("warning", "processes", meaning, mend)
    else:
        yield Finding("ok", "processes", "nothing is left over")


CHECKS: tuple[Check, ...] = (
    python_version,
    package_versions,
    environment,
    airflow,
    evidently,
    tools,
    apple_silicon,
    sqlite,
    home_folder,
    disk,
    secrets_folder,
    single_sign_on,
    public_address.look,
    settings,
    databases,
    wished_ports,
    telemetry_way_in,
    serving,
    state_files,
    database_files,
    leftovers,
)
