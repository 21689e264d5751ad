"""The settings, with a sentence for what is wrong with them."""

import tomllib
from typing import TYPE_CHECKING

from services.errors import PlatformError
from services.home import Home

if TYPE_CHECKING:
    from services.settings import Settings


def load_settings() -> "Settings":
    """Return the settings, or a sentence about what is wrong with them.

    Raises:
        PlatformError: A variable or ``settings.toml`` is malformed.
    """
    from pydantic import ValidationError

    from services.settings import Settings

    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        path = Home.locate().root / "settings.toml"
        raise PlatformError(f"{path} is not TOML: {error}.", "Mend or remove the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise PlatformError(
            f"The setting {name} is wrong: {first['msg'].removeprefix('Value error, ')}.",
            f"It comes from MLOPS_{name.upper()} or from settings.toml in the home folder.",
        ) from error
