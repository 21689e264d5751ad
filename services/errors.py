"""The whole exception tree. A message says what happened; a hint says what to do."""


class MlopsError(Exception):
    """Something a person can be told in a sentence."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class EngineError(MlopsError):
    """An engine could not be asked, or its answer could not be read."""


class EngineMissingError(EngineError):
    """The engine or its package is not installed."""


class EngineUnreachableError(EngineError):
    """The engine did not answer in time, or nothing listens."""


class EngineRefusedError(EngineError):
    """The engine answered, and said no."""

    def __init__(self, message: str, hint: str = "", *, code: str = "", status: int = 0) -> None:
        super().__init__(message, hint)
        self.code = code
        self.status = status


class EngineProtocolError(EngineError):
    """The engine answered something we cannot read."""


class InputError(MlopsError):
    """What was asked is malformed; nothing was done."""


class FilterError(InputError):
    """A run filter does not parse; ``position`` is the offset of the character at fault."""

    def __init__(self, message: str, text: str, position: int, hint: str = "") -> None:
        super().__init__(message, hint)
        self.text = text
        self.position = position

    def pointer(self) -> str:
        """Return the filter with a caret under the character at fault, two lines."""
        return f"{self.text}\n{' ' * self.position}^"


class NotFoundError(MlopsError):
    """No such project, run, model, user or action."""


class GoneError(NotFoundError):
    """It was there, and was removed as it was to be."""


class DeniedError(MlopsError):
    """The person's role or project scope does not allow it."""


class GateError(MlopsError):
    """A promotion gate fails; the message names the metric, the value and the bound."""


class ConflictError(MlopsError):
    """The state changed since it was looked at, or the same thing is under way."""


class PlatformError(MlopsError):
    """A process, port, file or environment of this installation is not as it must be."""


class JournalError(PlatformError):
    """The journal could not be read or written; what was under way goes on when it can be."""


class BundleError(PlatformError):
    """A version's files or bundle are refused or damaged; nothing of them was loaded."""
