"""DVC's progress as ours. Imported late: it needs fsspec."""

from typing import Any

from fsspec.callbacks import Callback

from services.engines.dvc.progress import Meter


class Counting(Callback):  # type: ignore[misc]  # fsspec has no types
    """Counts the files of a transfer; its branches count the bytes of each."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def set_size(self, size: int) -> None:
        """DVC says how many files there are; it counts them anew for each of its parts."""

    def relative_update(self, inc: int = 1) -> None:
        """A file is done."""
        self._meter.add(files=inc)

    def absolute_update(self, value: int) -> None:
        """DVC does not count files so."""

    def branched(self, path_1: object, path_2: object, **_kwargs: Any) -> "Callback":  # noqa: ANN401 - fsspec's
        """Return what counts the bytes of one file."""
        del path_1, path_2
        return _Bytes(self._meter)


class _Bytes(Callback):  # type: ignore[misc]  # fsspec has no types
    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter, self._at = meter, 0

    def set_size(self, size: int) -> None:
        """The size is known."""

    def relative_update(self, inc: int = 1) -> None:
        """So many bytes more."""
        self._at += inc
        self._meter.add(size=inc)

    def absolute_update(self, value: int) -> None:
        """So many bytes in all."""
        self.relative_update(max(0, value - self._at))
