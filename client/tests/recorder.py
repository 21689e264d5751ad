"""A program that records data and models as the platform's does, small enough for a test.

It keeps each version in a folder beside the project, makes what it recorded read-only and shared,
answers and notes as the contract says, and writes down what it was asked.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import hashlib, json, os, shutil, sys, time
from pathlib import Path

own = Path(sys.argv[1])
verb, root, kind = sys.argv[2], Path(sys.argv[3]), sys.argv[4]
orders = json.loads((own / "orders.json").read_text())
with (own / "asked.jsonl").open("a") as log:
    log.write(json.dumps({"argv": sys.argv[2:], "cwd": os.getcwd(), "pid": os.getpid(),
                          "environment": dict(os.environ)}) + "\\n")
time.sleep(orders.get("sleep", 0))
if "say" in orders:
    print(orders["say"])
    print(orders.get("err", ""), file=sys.stderr)
    sys.exit(orders["code"])

def lines():
    files = sorted(p for p in (root / kind).rglob("*") if p.is_file())
    for path in sorted(p.relative_to(root).as_posix() for p in files):
        told = (root / path).stat()
        yield path, told.st_size, told.st_mtime_ns

if verb == "release":
    for path, _, mtime in lines():
        data = (root / path).read_bytes()
        (root / path).unlink()
        (root / path).write_bytes(data)
        os.utime(root / path, ns=(mtime, mtime))
    print(json.dumps({"kind": kind, "released": 1}))
    sys.exit()

content = hashlib.sha256()
for path, _, _ in lines():
    content.update(path.encode() + (root / path).read_bytes())
revision = content.hexdigest()[:16] if list(lines()) else None
for path, _, _ in lines():
    kept = own / "cache" / str(revision) / path
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.hardlink_to(root / path)
        kept.chmod(0o444)
text = "".join(f"{p}\\0{s}\\0{m}\\n" for p, s, m in lines())
answer = {"kind": kind, "revision": revision, "changed": True, "files": len(list(lines())),
          "bytes": sum(s for _, s, _ in lines()),
          "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
          "reason": "" if revision else f"There is no file under {kind} yet."}
noted = root / ".mlops" / "versions" / f"{kind}.json"
noted.parent.mkdir(parents=True, exist_ok=True)
noted.with_suffix(".new").write_text(json.dumps(answer))
noted.with_suffix(".new").replace(noted)
print(json.dumps(answer))
"""


class Recorder:
    """The program in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.program = folder / "record.py"
        self.program.write_text(PROGRAM)
        self.order()

    def order(self, **orders: object) -> None:
        """Let it behave so from now on: ``say`` and ``code``, ``err``, ``sleep`` (seconds)."""
        new = self.folder / "orders.new"
        new.write_text(json.dumps(orders))
        new.replace(self.folder / "orders.json")

    @property
    def variable(self) -> str:
        """What ``MLOPS_TRACK`` says."""
        return json.dumps([sys.executable, "-IS", str(self.program), str(self.folder)])

    def asked(self) -> list[dict[str, Any]]:
        """Return what it was asked, in order."""
        log = self.folder / "asked.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def verbs(self) -> list[tuple[str, str]]:
        """Return (verb, kind) of what it was asked."""
        return [(one["argv"][0], one["argv"][2]) for one in self.asked()]

    def forget(self) -> None:
        """Forget what it was asked."""
        (self.folder / "asked.jsonl").unlink(missing_ok=True)


def lives(pid: int) -> bool:
    """Return whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
