"""Which runs are compared against which, as the address keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from dashboard.experiments.comparison import MOST
from dashboard.experiments.view import read_run_ids


@dataclass(frozen=True, slots=True)
class Compared:
    """The runs, and the one the others are measured against: the first unless another is named."""

    runs: tuple[str, ...] = ()
    base: str = ""

    @property
    def base_index(self) -> int:
        """Return the place of the base among the runs."""
        return self.runs.index(self.base) if self.base in self.runs else 0

    def without(self, run_id: str) -> "Compared":
        """Return the comparison without one run."""
        return replace(self, runs=tuple(run for run in self.runs if run != run_id))

    def to_params(self) -> dict[str, str]:
        """Return the query parameters; what is at its default is left out."""
        params = {"runs": ",".join(self.runs), "base": self.base if self.base_index else ""}
        return {key: value for key, value in params.items() if value}


def read_compared(params: Mapping[str, str]) -> tuple[Compared, tuple[str, ...]]:
    """Return what an address compares, and a sentence for each malformed part."""
    notices: list[str] = []
    runs = read_run_ids(params.get("runs", ""), MOST, notices)
    base = params.get("base", "")
    if base and base not in runs:
        notices.append("The address names a base that is not among the runs: the first run is it.")
        base = ""
    return Compared(runs, "" if runs and base == runs[0] else base), tuple(notices)


def current() -> tuple[Compared, tuple[str, ...]]:
    """Return what the address compares."""
    return read_compared({k: st.query_params[k] for k in ("runs", "base") if k in st.query_params})


def show(compared: Compared) -> None:
    """Write the comparison into the address."""
    params = compared.to_params()
    st.query_params.update({key: params.get(key) or [] for key in ("runs", "base")})
