"""Which of DVC's, the cloud packages' and the file system's exceptions is which of ours."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from services.engines.sdk import sdk
from services.errors import (
    EngineError,
    EngineRefusedError,
    EngineUnreachableError,
)

_AWAY = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
    "ServiceRequestError",
    "ClientConnectorError",
    "ClientConnectionError",
    "HTTPClientError",
)
_TALKERS = ("dvc", "dvc_data", "dvc_objects", "gcsfs", "adlfs", "azure")
"""They write what they raise to the terminal too."""
_ACCESS = (
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError",
    "DefaultCredentialsError", "ClientAuthenticationError",
)  # fmt: skip
_FULL = {errno.ENOSPC, errno.EDQUOT}
_GONE = {errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN, errno.ENETUNREACH}


@contextmanager
def asking() -> Iterator[list[BaseException]]:
    """Ask DVC; yields what went wrong with single files, which DVC only writes to its log.

    Raises:
        EngineError: See ``told``.
    """
    noted = _Noting()
    loggers = [logging.getLogger(name) for name in _TALKERS]
    before = [(one.propagate, one.level) for one in loggers]
    for one in loggers:
        one.propagate = False
        one.setLevel(logging.ERROR)
        one.addHandler(noted)
    try:
        with sdk("DVC", told):
            yield noted.seen
    finally:
        for one, (propagate, level) in zip(loggers, before, strict=True):
            one.removeHandler(noted)
            one.propagate = propagate
            one.setLevel(level)


class _Noting(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was raised."""
        if record.exc_info and record.exc_info[1] is not None:
            self.seen.append(record.exc_info[1])


def told(error: BaseException) -> EngineError | None:
    """Return our error for one of DVC's; None when it is a defect of ours."""
    from dvc.exceptions import DvcException
    from dvc_objects.errors import ObjectDBError

    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    if names & set(_AWAY) or isinstance(error, (ConnectionError, TimeoutError)):
        return EngineUnreachableError(f"The remote cannot be reached: {_said(error)}.", _LATER)
    if names & set(_ACCESS) or isinstance(error, PermissionError):
        return EngineRefusedError(
            f"Access is refused: {_said(error)}.",
            "Check the credentials of the remote, and who owns the folders.",
        )
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, (DvcException, ObjectDBError)) or "ClientError" in names:
        return EngineRefusedError(f"DVC refused: {_said(error)}.", "See `mlops doctor`.")
    return None


_LATER = "What waits for it is sent when it is back; see `mlops data status`."


def _of_the_system(error: OSError) -> EngineError:
    if error.errno in _FULL:
        return EngineRefusedError(
            "The disk is full: nothing of what was there is lost.",
            "Free some space (`mlops data prune` frees the cache) and try again.",
        )
    if error.errno in _GONE:
        return EngineUnreachableError(f"A disk cannot be reached: {_said(error)}.", _LATER)
    return EngineRefusedError(f"DVC could not go on: {_said(error)}.", "See `mlops doctor`.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300].rstrip(".")
