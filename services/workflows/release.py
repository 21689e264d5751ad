"""The steps of a release: package → deploy → smoke test, of versions that passed their gates.

Each gets the versions, or packages, from the step before. An asset event that came while another
release ran is released with the next one; of one model only its newest version is.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.errors import InputError, NotFoundError
from services.workflows import deploying, packaging, smoke
from services.workflows.packaging import Package

if TYPE_CHECKING:
    from services.workflows.steps import Answer, Desk, Inputs


def package(at: "Desk", inputs: "Inputs") -> "Answer":
    """Fetch the files of each version.

    Raises:
        InputError: Neither an asset event nor the parameters name a version.
        NotFoundError: There is no such version.
        EngineError: MLflow did not answer.
        PlatformError: There is no room for it.
    """
    project = at.contract.id
    made = [
        packaging.pack(at.mlflow, at.home, project, model, version)
        for model, version in wanted(inputs).items()
    ]
    return {"packages": [_told(one) for one in made], "said": "\n".join(_said(one) for one in made)}


def deploy(at: "Desk", inputs: "Inputs") -> "Answer":
    """Put the packages into service, where something serves.

    Raises:
        NotFoundError: A package is gone.
        MlopsError: A version was refused, or went back by itself.
    """
    packages = _packages(inputs)
    if not at.serving.enabled:
        return deploying.switched_off(at.contract.id, packages)
    asked = bool((inputs.get("params") or {}).get("model"))
    return deploying.Deployer(at.acting, at.contract.id, say=at.say).deploy(packages, asked=asked)


def smoke_test(at: "Desk", inputs: "Inputs") -> "Answer":
    """Check that each package loads and answers in the project's own environment.

    Raises:
        NotFoundError: A package is gone.
        PlatformError: It does not; or the environment could not be made.
    """
    from services.projects import environment

    python = environment.prepare(at.project.path, at.home)
    done = [smoke.check(one, at.contract, at.project.path, python) for one in _packages(inputs)]
    told = [
        {**_told(one.package), "loaded": one.answer is not None, "answer": dict(one.answer or {})}
        for one in done
    ]
    return {"checked": told, "said": "\n".join(one.said for one in done)}


def wanted(inputs: "Inputs") -> dict[str, int]:
    """Return the version to release of each model: the launch's own, else those of the events.

    Raises:
        InputError: There is none, or half of one.
    """
    params = inputs.get("params") or {}
    if params.get("model") or params.get("version"):
        return _launched(params)
    found: dict[str, int] = {}
    for event in inputs.get("events") or ():
        if event.get("passed") is not False and event.get("model") and event.get("version"):
            model, version = str(event["model"]), int(event["version"])
            found[model] = max(version, found.get(model, 0))
    if not found:
        raise InputError(
            "Nothing says which version to release.",
            "Launch it with the parameters model and version, or let a training pass its gates.",
        )
    return found


def _launched(params: Mapping[str, Any]) -> dict[str, int]:
    model, version = params.get("model"), params.get("version")
    if not model or not version:
        missing = "version" if model else "model"
        raise InputError(
            f"The release lacks the parameter {missing}.", "Model and version go together."
        )
    return {str(model): int(version)}


def _packages(inputs: "Inputs") -> list[Package]:
    told: Sequence[Mapping[str, Any]] = (inputs.get("package") or {}).get("packages") or ()
    return [_package(one) for one in told]


def _package(told: Mapping[str, Any]) -> Package:
    found = packaging.read(Path(str(told["folder"])))
    if found is None or found.manifest["digest"] != told["digest"]:
        raise NotFoundError(
            f"The package in {told['folder']} is gone or another one.", "Clear the task `package`."
        )
    return found


def _told(one: Package) -> "Answer":
    names = ("model", "version", "run_id", "format", "digest")
    told = {name: one.manifest[name] for name in names}
    return {**told, "folder": str(one.folder), "bytes": one.size_bytes}


def _said(one: Package) -> str:
    files = len(one.manifest["files"])
    kind = one.manifest["format"] or "unknown format"
    return f"{one.name} ({kind}, {files} files, {one.size_bytes / 1e6:.2f} MB) is at {one.folder}."
