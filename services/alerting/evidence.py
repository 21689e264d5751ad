"""Evidence that names the page which shows it: a sentence with the page's address behind it."""

import re

_CITED = re.compile(r"(?P<said>.*) \((?P<link>/[a-z]+(?:\?[^\s()]*)?)\)", re.DOTALL)


def cited(said: str, link: str) -> str:
    """Return a piece of evidence with its page, from the dashboard's root on."""
    return f"{said} ({link})"


def parts(text: str) -> tuple[str, str]:
    """Return its sentence and its page; the page is empty where it names none."""
    found = _CITED.fullmatch(text)
    return (found["said"], found["link"]) if found else (text, "")


def placed(text: str, base: str) -> str:
    """Return it with its page's whole address; ``base`` is the dashboard's, empty: not known."""
    said, link = parts(text)
    return cited(said, f"{base}{link}") if link else text
