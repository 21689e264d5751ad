"""What people typed, shown as they typed it: never as markdown, HTML or an icon."""

import html
import re

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$>=^])")
_CODE = re.compile(r":(?=[A-Za-z/]|[\w+\\-]+:)")
_BLANKS = re.compile(r"\s+")
_WORD_JOINER = "\u2060"


def plain(text: object, limit: int = 200) -> str:
    """Return text for a Streamlit label or markdown that is drawn letter by letter.

    Icons, colours, emoji and web addresses are read after markdown is, so an escape does not stop
    them: an invisible word joiner behind the colon does.
    """
    shown = shortened(_BLANKS.sub(" ", str(text)).strip(), limit)
    escaped = _MARKDOWN.sub(r"\\\1", html.escape(shown, quote=False))
    return _CODE.sub(f":{_WORD_JOINER}", escaped)


def markup(text: object, limit: int = 2_000) -> str:
    """Return text for our own HTML."""
    return html.escape(shortened(str(text), limit), quote=True)


def beyond(heading: str, text: str) -> str:
    """Return what a text says beyond the heading above it, which it may begin with."""
    rest = text.removeprefix(heading)
    return rest.lstrip(". ") if len(rest) < len(text) and rest[:1] in {"", ".", " "} else text


def shortened(text: str, limit: int) -> str:
    """Return the text cut to ``limit`` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
