"""What a run began with: the version it was made from, as it says, and those that it loaded.

``derived_from`` is for trainings that fine-tune, distil, merge or quantise a registered version.
Whatever is loaded by ``models:/NAME/VERSION`` is noted by itself; whether what was trained came of
it, nobody can tell from that.
"""

import re
import threading

import mlflow
from mlflow.exceptions import MlflowException

from mlops_client.project import current
from mlops_client.saying import warn

BASE, LOADED = "mlops.base.version", "mlops.loaded.version"
AT_MOST = 8
"""Of either on one run."""
_WRITTEN = re.compile(r"[^/:@\s]+/[^/:@\s]+:[1-9][0-9]{0,8}")
_lock = threading.Lock()
_loaded: dict[str, None] = {}
_made_here: set[str] = set()


def derived_from(model: str) -> str:
    """Note that what the active run makes is made from a registered version; return its name.

    A version that is marked as bad then leads to the new one. Several are noted by several calls.

    Args:
        model: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS`` of this project, or
            ``PROJECT/NAME:VERSION`` of any.

    Raises:
        RuntimeError: There is no active run, or it has as many as it may.
        ValueError: It names no version.
        MlflowException: The registry does not know it, or did not answer.
    """
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("derived_from needs an active run: mlflow.start_run() first.")
    version = _version(model)
    if not _tag(run.info.run_id, BASE, version):
        raise RuntimeError(f"A run names up to {AT_MOST} versions that it was made from.")
    return version


def names(tag: str) -> tuple[str, ...]:
    """Return the names under which a run carries a tag up to so many times."""
    return (tag, *(f"{tag}.{number}" for number in range(2, AT_MOST + 1)))


def loaded(name: str, number: str) -> None:
    """Note that this process loaded a version: for the active run, and for those that begin later.

    What fails is a sentence: the program goes on.
    """
    project = current()
    version = f"{project.id}/{name}:{number}" if project else ""
    if not version or not _WRITTEN.fullmatch(version):
        return
    with _lock:
        if version in _made_here or version in _loaded:
            return
        _loaded[version] = None
    run = mlflow.active_run()
    try:
        if run is not None and not _tag(run.info.run_id, LOADED, version):
            warn(f"{version} was loaded; only {AT_MOST} versions are noted on a run.")
    except MlflowException as error:
        warn(f"It could not be noted that {version} was loaded: {error}")


def made(name: str, number: str | int) -> None:
    """Note that this process registered a version: loading it to try it out says nothing."""
    project = current()
    if project is not None:
        with _lock:
            _made_here.add(f"{project.id}/{name}:{number}")


def tags() -> dict[str, str]:
    """Return the tags of a run that begins now: what this process loaded before."""
    with _lock:
        return dict(zip(names(LOADED), _loaded, strict=False))


def forget() -> None:
    """Forget what was loaded: another project begins."""
    with _lock:
        _loaded.clear()
        _made_here.clear()


def _version(model: str) -> str:
    if _WRITTEN.fullmatch(model):
        return model
    project = current()
    if not model.startswith("models:/") or project is None:
        raise ValueError(
            f"{model[:120]!r} names no version. Write models:/NAME/VERSION in a toolkit project, "
            "or PROJECT/NAME:VERSION."
        )
    from mlflow.store.artifact.utils.models import get_model_name_and_version

    found = get_model_name_and_version(mlflow.MlflowClient(), model)
    written = f"{project.id}/{found[0]}:{found[1]}" if len(found) == 2 else ""
    if not _WRITTEN.fullmatch(written):
        raise ValueError(f"{model[:120]!r} names no registered version.")
    return written


def _tag(run_id: str, tag: str, version: str) -> bool:
    """Put a version on a run; return False when it has as many as it may."""
    client = mlflow.MlflowClient()
    has = client.get_run(run_id).data.tags
    mine = {name: has[name] for name in names(tag) if name in has}
    if version in mine.values():
        return True
    free = next((name for name in names(tag) if name not in mine), None)
    if free is not None:
        client.set_tag(run_id, free, version)
    return free is not None
