"""What each owner's processes used: kept by the minute when single processes are forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.telemetry.blocks import Block, Ints
from services.telemetry.rows import Rows

OWNER_WIDTH_S = 60
_SUMS = ("cpu_ms", "gpu_ms")
_PEAKS = ("memory", "mlx_active", "mlx_peak", "mlx_cache")
_COLUMNS = ("keys", "owner", *_SUMS, "cpu_n", "gpu_n", *_PEAKS)


@dataclass(frozen=True, slots=True)
class OwnerRows:
    """One row a bucket and owner, ordered by owner, then time."""

    width_s: int
    owners: tuple[tuple[str, str], ...]
    """Owner and project."""
    columns: dict[str, Ints]
    """Keys, number of the owner, sums (0 where unknown) with how many are known, peaks (-1)."""

    def __len__(self) -> int:
        return len(self.columns["keys"])

    def where(self, places: Ints) -> "OwnerRows":
        """Return some rows."""
        columns = {name: column[places] for name, column in self.columns.items()}
        return OwnerRows(self.width_s, self.owners, columns)

    def between(self, start_s: int, end_s: int) -> "OwnerRows":
        """Return the rows whose bucket begins in a half-open interval."""
        begins = self.columns["keys"] * self.width_s
        return self.where(np.flatnonzero((begins >= start_s) & (begins < end_s)))

    def without(self, spans: Sequence[tuple[int, int]]) -> "OwnerRows":
        """Return the rows whose bucket begins in none of some half-open intervals."""
        begins = self.columns["keys"] * self.width_s
        kept = np.ones(len(self), dtype=bool)
        for start_s, end_s in spans:
            kept &= (begins < start_s) | (begins >= end_s)
        return self.where(np.flatnonzero(kept))


def of_rows(rows: Rows, width_s: int = OWNER_WIDTH_S) -> OwnerRows:
    """Put the processes of samples together by owner and time."""
    numbers: dict[tuple[str, str], int] = {}
    table = [numbers.setdefault((who.owner, who.project), len(numbers)) for who in rows.who]
    owner = np.array(table or [0], dtype=np.int64)[rows.use_who]
    sums, peaks = rows.use[:, :2], rows.use[:, 2:]
    columns = {
        # One process after the other of an owner in one sample: memory adds up there.
        "keys": rows.use_row,
        "owner": owner,
        **{name: np.maximum(sums[:, i], 0) for i, name in enumerate(_SUMS)},
        "cpu_n": (sums[:, 0] >= 0).astype(np.int64),
        "gpu_n": (sums[:, 1] >= 0).astype(np.int64),
        **{name: peaks[:, i] for i, name in enumerate(_PEAKS)},
    }
    within = _grouped(columns, add_peaks=True)
    within["keys"] = rows.times[within["keys"]] // (width_s * 1_000_000)
    return OwnerRows(width_s, tuple(numbers), _grouped(within))


def wider(parts: Sequence[OwnerRows], width_s: int) -> OwnerRows:
    """Put rows together to wider buckets; the widths divide ``width_s``."""
    numbers: dict[tuple[str, str], int] = {}
    tables = [
        np.array([numbers.setdefault(o, len(numbers)) for o in p.owners] or [0], dtype=np.int64)
        for p in parts
    ]
    columns = {
        name: np.concatenate([np.zeros(0, dtype=np.int64), *(part.columns[name] for part in parts)])
        for name in _COLUMNS
    }
    keys = [part.columns["keys"] * part.width_s // width_s for part in parts]
    owners = [t[p.columns["owner"]] for t, p in zip(tables, parts, strict=True)]
    if parts:
        columns["keys"], columns["owner"] = np.concatenate(keys), np.concatenate(owners)
    return OwnerRows(width_s, tuple(numbers), _grouped(columns))


def _grouped(columns: dict[str, Ints], *, add_peaks: bool = False) -> dict[str, Ints]:
    """Put rows of one owner and key together: sums added, peaks too or the highest kept."""
    order = np.lexsort((columns["keys"], columns["owner"]))
    if not len(order):
        return columns
    keys, owner = columns["keys"][order], columns["owner"][order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]) | (owner[1:] != owner[:-1])
    begins = np.flatnonzero(new)
    return {
        "keys": keys[begins],
        "owner": owner[begins],
        **{n: np.add.reduceat(columns[n][order], begins) for n in (*_SUMS, "cpu_n", "gpu_n")},
        **{n: _peaks(columns[n][order], begins, add=add_peaks) for n in _PEAKS},
    }


def _peaks(column: Ints, begins: Ints, *, add: bool) -> Ints:
    highest = np.maximum.reduceat(column, begins)
    if not add:
        return highest
    known = np.add.reduceat(np.maximum(column, 0), begins)
    return np.where(highest >= 0, known, -1)


def of_block(block: Block) -> OwnerRows:
    """Read rows again.

    Raises:
        DamagedError: A column is not as it was written.
    """
    owners = tuple((owner, project) for owner, project in block.header["owners"])
    return OwnerRows(OWNER_WIDTH_S, owners, {name: block.column(name) for name in _COLUMNS})
