"""What the client calls: ``python -m services.data track|release PATH data|models [--json]``.

``track`` prints what it found as one JSON object. A failure is exit 1 and ``{"reason", "hint"}``;
without ``--json`` both are sentences.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from services.errors import MlopsError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.data", description=__doc__)
    parser.add_argument("command", choices=["track", "release"])
    parser.add_argument("path", type=Path)
    parser.add_argument("kind", choices=["data", "models"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        answer = _answer(given.command, given.path.expanduser().absolute(), given.kind)
    except MlopsError as error:
        return _failed(error.message, error.hint, as_json=given.json)
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    print(json.dumps(answer) if given.json else _sentence(answer))  # noqa: T201 - its answer
    return 0


def _answer(command: str, path: Path, kind: str) -> dict[str, object]:
    from services.data.project import kind_of
    from services.data.service import DataService

    service = DataService.here()
    if command == "release":
        return {"kind": kind, "released": service.release(path, kind_of(kind))}
    return dataclasses.asdict(service.track(path, kind_of(kind)))


def _failed(reason: str, hint: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"reason": reason, "hint": hint}))  # noqa: T201 - its answer
    else:
        print(f"Error: {reason}\n{hint}".rstrip(), file=sys.stderr)  # noqa: T201 - its answer
    return 1


def _sentence(answer: dict[str, object]) -> str:
    if "released" in answer:
        return f"{answer['released']} files of {answer['kind']} are writable again."
    said = f"{answer['kind']}: {answer['revision'] or 'nothing to track'}"
    return f"{said}, {answer['files']} files, {answer['bytes']} bytes. {answer['reason']}".strip()


if __name__ == "__main__":
    sys.exit(main())
