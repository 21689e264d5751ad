"""Whether Evidently's own screen can run, and who can see it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from services.errors import MlopsError
from services.home import Home
from services.platform.configuration import load_settings
from services.platform.engines import version_of
from services.platform.secrets import EVIDENTLY_FILE

if TYPE_CHECKING:
    from services.platform.doctor import Finding


def evidently(home: Home) -> Iterator["Finding"]:
    """Look at the screen where it is wanted."""
    from services.platform.doctor import Finding

    try:
        settings = load_settings()
    except MlopsError:
        return  # said by the check of the settings
    if not settings.evidently_enabled:
        return
    have = version_of("evidently")
    if have:
        told = f"{have}; its screen listens on this machine alone and asks for the password in "
        yield Finding("ok", "Evidently", f"{told}{home.secrets / EVIDENTLY_FILE}")
    else:
        mend = "Run the command line as ./mlops: it installs the pinned versions."
        yield Finding("error", "Evidently", "is not installed: its screen cannot start.", mend)
