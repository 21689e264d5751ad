"""The SDK edge: a missing package and an SDK's own exceptions become ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.errors import EngineError, EngineMissingError, MlopsError


@contextmanager
def sdk(engine: str, told: Callable[[Exception], EngineError | None]) -> Iterator[None]:
    """Run what uses an SDK; ``told`` says which of its exceptions is which of ours.

    Raises:
        EngineMissingError: The SDK, or a part of it, is not installed.
        EngineError: What ``told`` made of the SDK's exception; None raises that itself.
    """
    try:
        yield
    except MlopsError:
        raise
    except Exception as error:
        ours = _missing(engine, error) or told(error)
        if ours is None:
            raise
        raise ours from error


def _missing(engine: str, error: Exception) -> EngineError | None:
    if not isinstance(error, ImportError):
        return None
    return EngineMissingError(
        f"{engine} is not installed, or a part of it: {error}.",
        "`mlops up` builds the environment; a part that is no part of it must be added by hand.",
    )
