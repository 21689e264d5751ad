"""The parsing edge: an engine's JSON into its wire model, or an ``EngineProtocolError``."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from services.engines.http import unreadable

M = TypeVar("M", bound=BaseModel)


def parse(engine: str, model: type[M], content: bytes) -> M:
    """Read ``content`` as ``model``.

    Raises:
        EngineProtocolError: It is not JSON, or not of that shape.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise unreadable(engine, model.__name__, error) from error
