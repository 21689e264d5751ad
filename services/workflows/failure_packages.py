"""Which package an import failed for, and which version of it is and was installed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.workflows.failure_parts import inside, table, words

_NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
_NO_NAME = re.compile(r"cannot import name '([^']{1,100})' from '([\w.]+)'")
_NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '([^']{1,100})'")
_NO_METADATA = re.compile(r"No package metadata was found for ([\w.-]+)")
_NAMES: Mapping[str, str] = {
    "sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow", "cv2": "opencv-python",
    "yaml": "pyyaml", "bs4": "beautifulsoup4", "dateutil": "python-dateutil",
}  # fmt: skip
"""Modules that are not called as what installs them."""


@dataclass(frozen=True, slots=True)
class Package:
    """What an import failed for."""

    name: str
    """As it is installed by."""
    module: str
    lacks: str
    """The name that the installed version does not have; empty: the whole is missing."""
    now: str
    """The installed version; empty: none, or not known."""
    before: str
    """That of the last success; empty: none, or not known."""

    @property
    def cause(self) -> str:
        """Return what is wrong with it as a sentence."""
        was = f"; its last success ran with {self.before}" if self.before != self.now else ""
        was = was if self.before else ""
        if self.now:
            return f"{self.name} {self.now} does not have {self.lacks or self.module}{was}."
        lacking = f"{self.lacks} of {self.module}" if self.lacks else f"the module {self.module}"
        return f"Its environment does not have {lacking}{was}."


def package_of(evidence: Mapping[str, Any], before: Mapping[str, Any] | None) -> Package | None:
    """Return which package a try failed for, None when it was none, or that is not told."""
    text = words(inside(evidence, "exception", "text"))
    module, lacks = _missing(text)
    if not module:
        return None
    top = module.partition(".")[0]
    name = _NAMES.get(top, top.lower().replace("_", "-"))
    now, was = _version(evidence, name), _version(before or {}, name)
    if inside(evidence, "exception", "name") == "AttributeError" and not now:
        return None  # a module of the project's own
    return Package(name, module, lacks, now, was)


def _missing(text: str) -> tuple[str, str]:
    """Return the module, and what of it is missing."""
    if found := _NO_NAME.search(text):
        return found[2], found[1]
    if found := _NO_ATTRIBUTE.search(text):
        return found[1], found[2]
    found = _NO_MODULE.search(text) or _NO_METADATA.search(text)
    return (found[1].strip("."), "") if found else ("", "")


def _version(evidence: Mapping[str, Any], name: str) -> str:
    return words(table(inside(evidence, "packages", "versions")).get(name))
