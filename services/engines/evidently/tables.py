"""Tables as Evidently's page can hold them.

The page carries names and values inside a script. Evidently does not escape them, so a value with
an end tag of a script in it, sent by whoever asks a model, would break the page. The signs ``<`` of
such values are followed by a sign of no width; they look as they were.
"""

import re
from pathlib import Path

import pandas as pd

_TAG = re.compile(r"<(?=[/!a-zA-Z])")
_APART = "<\u200b"


def harmless(text: str) -> str:
    """Return a text in which no tag begins."""
    return _TAG.sub(_APART, text)


def read(path: Path) -> pd.DataFrame:
    """Return a table whose names and texts are harmless."""
    table = pd.read_parquet(path).rename(columns=harmless)
    for name in table.columns:
        if pd.api.types.is_string_dtype(table[name]) or table[name].dtype == object:
            table[name] = table[name].map(_value, na_action="ignore")
    return table


def _value(value: object) -> object:
    return harmless(value) if isinstance(value, str) else value
