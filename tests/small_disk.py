"""A disk of a few hundred kilobytes that can be filled and freed: a tmpfs of our own."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_BLOCK = b"x" * 4096


@dataclass(frozen=True)
class SmallDisk:
    """Where it is mounted."""

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self, *, spare_bytes: int = 0) -> None:
        """Leave no room but ``spare_bytes``."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while file.write(_BLOCK) == len(_BLOCK):
                pass
        if spare_bytes:
            with self._ballast.open("r+b") as file:
                file.truncate(max(0, self._ballast.stat().st_size - spare_bytes))

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@contextlib.contextmanager
def mounted(path: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of that size; skip the test where that is not allowed (it takes root)."""
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that still ends holds it for a moment.
        subprocess.run(["umount", "--lazy", str(path)], check=True)
