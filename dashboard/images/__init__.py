"""Our own pictures: the mark alone, and the mark with the name for a light and a dark ground."""

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent
MARK = str(_FOLDER / "mark.svg")


def name(theme: str | None) -> str:
    """Return the file of the mark with the name, for the theme in use."""
    return str(_FOLDER / f"name_{'dark' if theme == 'dark' else 'light'}.svg")
