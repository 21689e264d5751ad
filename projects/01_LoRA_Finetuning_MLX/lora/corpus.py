"""The task: which area of Python's standard library does a docstring come from?

Whole modules are held out, so no docstring of a test module was seen in training.
"""

import ast
import hashlib
import json
import platform
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

AREAS = {
    "concurrency": "asyncio concurrent multiprocessing queue sched selectors subprocess threading",
    "files": "_pyio bz2 filecmp fileinput glob gzip lzma ntpath os pathlib posixpath shutil "
    "tarfile tempfile zipfile",
    "gui": "idlelib tkinter turtle turtledemo",
    "internet": "cgi email ftplib http imaplib mailbox nntplib poplib smtplib socket socketserver "
    "ssl telnetlib urllib webbrowser wsgiref xmlrpc",
    "numbers": "_pydecimal calendar colorsys datetime _pydatetime fractions heapq numbers random "
    "statistics zoneinfo",
    "packaging": "distutils ensurepip importlib modulefinder pkgutil runpy sysconfig venv zipapp "
    "zipimport",
    "testing": "bdb cProfile code doctest inspect pdb profile pstats pydoc timeit trace traceback "
    "unittest",
    "text": "codecs configparser csv difflib encodings gettext html json locale plistlib re string "
    "textwrap xml",
}
LABELS = tuple(sorted(AREAS))
SPLITS = ("test", "validation", "train")
FEWEST_WORDS = 5
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Example:
    """One docstring's first paragraph."""

    text: str
    label: str
    module: str
    split: str


def _paragraphs(path: Path) -> Iterator[str]:
    """Yield the first paragraph of every docstring in a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="replace"))):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            paragraph = " ".join(text.split("\n\n")[0].split())
            if len(paragraph.split()) >= FEWEST_WORDS:
                yield paragraph


def _modules(library: Path, area: str) -> dict[str, list[str]]:
    """Return module path -> distinct paragraphs, for one area."""
    found: dict[str, list[str]] = {}
    for name in AREAS[area].split():
        files = [library / f"{name}.py", *sorted((library / name).rglob("*.py"))]
        for path in files:
            relative = path.relative_to(library)
            if path.is_file() and not _SKIPPED.intersection(relative.parts):
                found[relative.as_posix()] = sorted(set(_paragraphs(path)))
    return found


def _rank(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _assign(modules: dict[str, list[str]], wanted: dict[str, int]) -> dict[str, str]:
    """Give whole modules to test and validation until each has enough; the rest trains.

    Modules come in the order of their names' hash: arbitrary, and the same on every machine.
    """
    splits: dict[str, str] = {}
    filled: dict[str, int] = defaultdict(int)
    for module in sorted(modules, key=_rank):
        size = len(modules[module])
        fits = (s for s in SPLITS[:2] if filled[s] < wanted[s] and size <= wanted[s])
        splits[module] = next(fits, "train")
        filled[splits[module]] += size
    return splits


def build(sizes: dict[str, int]) -> list[Example]:
    """Return at most ``sizes[split]`` examples an area and split, of this Python's sources."""
    library = Path(sysconfig.get_path("stdlib"))
    seen: set[str] = set()
    examples = []
    for area in LABELS:
        modules = _modules(library, area)
        splits = _assign(modules, sizes)
        for split in SPLITS:
            rows = [(t, m) for m, texts in modules.items() if splits[m] == split for t in texts]
            rows = [
                row for row in sorted(rows, key=lambda row: _rank(row[0])) if row[0] not in seen
            ]
            for text, module in rows[: sizes[split]]:
                seen.add(text)
                examples.append(Example(text, area, module, split))
    return examples


def load(path: Path, sizes: dict[str, int]) -> list[Example]:
    """Return the examples in a file, written first when it is not there or of other sizes."""
    header = {"python": platform.python_version(), "sizes": sizes}
    if path.is_file():
        first, *rest = path.read_text().splitlines()
        if json.loads(first) == header:
            return [Example(**json.loads(line)) for line in rest]
    examples = build(sizes)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(header), *(json.dumps(asdict(example)) for example in examples)]
    path.write_text("\n".join(lines) + "\n")
    return examples
