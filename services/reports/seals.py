"""The digest at the end of a report: it tells whether anything in the file was changed."""

import hashlib
import re

_FOOT = "<footer"
_END = re.compile(
    r'<footer class="source">[^<]*<code>([0-9a-f]{64})</code>[^<]*<code>[^<]*</code></footer>'
    r"</body></html>\s*"
)


def sealed(whole: str) -> str:
    """Return a page with its digest and its end; the digest is of all that stands before it."""
    said = (
        f"SHA-256 of all above: <code>{_of(whole)}</code> Whether anything was changed, and which "
        "report of this platform it is, says <code>mlops report check FILE</code>"
    )
    return f'{whole}<footer class="source">{said}</footer></body></html>\n'


def digest(page: str) -> str | None:
    """Return the digest that a page carries; None: it carries none."""
    found = _END.fullmatch(page[page.rfind(_FOOT) :]) if _FOOT in page else None
    return found[1] if found else None


def holds(page: str) -> bool:
    """Return whether a page is as it was when its digest was taken."""
    return digest(page) == _of(page[: page.rfind(_FOOT)])


def _of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
