"""What the server refused, taken up once more: after an upgrade, or when its cause is gone.

A file of refused calls becomes a file that waits, like those of a process that ended. It is written
whole before the refused one goes: a crash in between sends calls twice, which changes nothing.
"""

import contextlib
import fcntl
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_client.spool import REFUSED, Record, Spool

_PREFIX = 9  # of a file set aside: eight letters and a dash


def refused_files(folder: Path) -> list[Path]:
    """Return the files of refused calls, oldest first."""
    return sorted((folder / REFUSED).glob("*.jsonl"))


def take_up(path: Path, is_ours: Callable[[Record], bool]) -> tuple[Spool, int] | None:
    """Return a spool with the calls of a file, and how many; None when it is not for us to send.

    Lines that cannot be read stay where they are.
    """
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None  # another process is at it
        if not path.exists():
            return None
        lines = stream.readlines()
        records = list(_readable(lines))
        if not records or not is_ours(records[0].get("whose", {})):
            return None
        begin = {k: v for k, v in records[0].get("whose", {}).items() if k != "api"}
        spool = Spool.create(path.parent.parent, begin)
        copied = [_keep(spool, record) for record in records]
        spool.sync()
        rest = [line for line in lines if not list(_readable([line]))]
        if rest:
            stream.seek(0)
            stream.truncate()
            stream.writelines(rest)
        else:
            path.unlink()
        for file in copied:
            if file is not None:
                file.unlink(missing_ok=True)
        return spool, len(records)
    return None


def _readable(lines: list[bytes]) -> Iterator[Record]:
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and "api" in record and "body" in record:
                yield record


def _keep(spool: Spool, record: Record) -> Path | None:
    """Write a call into the spool; return the file it names, which is copied to be sent again."""
    call = {k: v for k, v in record.items() if k not in {"reason", "whose"}}
    aside = Path(record["body"]["file"]) if record["api"] == "Artifact" else None
    if aside is not None and aside.exists():
        copy = spool.files() / uuid.uuid4().hex / aside.name[_PREFIX:]
        copy.parent.mkdir()
        shutil.copy2(aside, copy)
        call["body"] = {**record["body"], "file": str(copy)}
    spool.append(call)
    return aside
