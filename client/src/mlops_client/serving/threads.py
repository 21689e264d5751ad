"""A model in a thread of its own, for programs that ask from many: the bento's service."""

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from mlops_client.serving import memory, validation
from mlops_client.serving.frames import ColumnError, Columns
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.jobs import Answered, Failed, Job
from mlops_client.serving.loading import load
from mlops_client.serving.model import Loaded
from mlops_client.serving.owner import Owner


class ModelThread:
    """Loads a bundle in a thread that lives as long as the process, because MLX wants that.

    Requests of several threads are asked together, as the model server does.
    """

    def __init__(self, bundle: Path, backend: str = "auto", **options: Any) -> None:  # noqa: ANN401 - those of `load`
        """Load and warm up.

        Raises:
            LoadError: It cannot be served here.
            ColumnError: The bundle's example is not what its schema says.
            AnswerError: The model does not answer it as told.
        """
        made: queue.SimpleQueue[Owner | BaseException] = queue.SimpleQueue()
        threading.Thread(
            target=_run, args=(lambda: load(bundle, backend, **options), made), daemon=True
        ).start()
        owner = made.get()
        if isinstance(owner, BaseException):
            raise owner
        self._owner = owner
        self.info: Info = owner.loaded.info
        self.backend: str = owner.loaded.backend
        self.backend_reason: str = owner.loaded.backend_reason

    def predict(self, columns: Mapping[str, np.ndarray]) -> Columns:
        """Return the answer, from any thread.

        Raises:
            ColumnError: The request is not what the model takes.
            RuntimeError: The model failed.
        """
        rows = validation.checked(self.info, columns)
        answer: Future[Answered | Failed] = Future()
        self._owner.submit(Job(dict(columns), rows, answer.set_result))
        said = answer.result()
        if isinstance(said, Answered):
            return said.columns
        if said.kind == "input":
            raise ColumnError(said.field, said.message)
        raise RuntimeError(said.message)

    def predict_lists(self, said: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the answer to columns as JSON has them: lists, one value a row.

        Raises:
            ColumnError: The request is not what the model takes.
            RuntimeError: The model failed.
        """
        return validation.to_lists(self.predict(validation.from_lists(self.info, said)))

    def close(self) -> None:
        """Answer what was asked, and nothing more."""
        self._owner.stop()


def _run(make: Callable[[], Loaded], made: "queue.SimpleQueue[Owner | BaseException]") -> None:
    try:
        loaded = make()
        loaded.warm_up()
        owner = Owner(loaded, when_idle=memory.clear)
    except (LoadError, ColumnError, validation.AnswerError) as error:
        made.put(error)
        return
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the maker is told
        made.put(LoadError(f"The model fails when it is asked: {type(error).__name__}: {error}"))
        return
    made.put(owner)
    owner.run()
    threading.Event().wait()  # MLX may abort a process whose thread has ended
