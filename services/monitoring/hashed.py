"""Whether the prediction log kept hashes in place of values: only equal ones can be compared then.

Beside evaluation data, which is plain, they would all look new.
"""

import re
from typing import TYPE_CHECKING

from services.monitoring import series

if TYPE_CHECKING:
    import pyarrow as pa

_HASH = re.compile(r"[0-9a-f]{32}")
_LOOKED_AT = 20


def is_hash(value: object) -> bool:
    """Return whether a value looks as a hash does."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def is_hashed(table: "pa.Table") -> bool:
    """Return whether every value is a hash, by the newest rows: see ``predictions.privacy``."""
    newest = table.slice(max(0, len(table) - _LOOKED_AT))
    found = 0
    for name in series.names(newest):
        for value in newest[name].drop_null().to_pylist():
            if not is_hash(value):
                return False
            found += 1
    return found > 0
