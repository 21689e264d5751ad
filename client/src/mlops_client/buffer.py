"""The buffer of one store: opens when the server goes away, sends, closes when nothing waits."""

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.utils.rest_utils import MlflowHostCreds

from mlops_client import wire
from mlops_client.project import renew_token, spool_folder
from mlops_client.refused import refused_files, take_up
from mlops_client.saying import warn
from mlops_client.sending import Sender, is_about_one_call, orphans
from mlops_client.spool import REFUSED, Record, Spool, waiting
from mlops_client.wire import UnansweredError

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 10.0
_EXIT_LIMIT_S = 60.0

Stop = Callable[[], bool]


def never() -> bool:
    """Do not stop."""
    return False


def _opening(reason: str) -> str:
    """Return what is wrong, and when what is kept will be sent."""
    if reason.startswith(wire.TOKEN_REFUSED):
        return (
            "the shared MLflow refuses this project's token. `mlops up` writes the right one into "
            ".mlops.env; then what is kept is sent."
        )
    said = f" ({_first_line(reason)})" if reason else ""
    what = "cannot take what is logged" if reason.startswith("HTTP") else "does not answer"
    return f"the shared MLflow {what}{said}. What is kept is sent when it is back."


def _closing(error: UnansweredError | None) -> str:
    """Return why what is kept was not sent."""
    if error is None or not error.status:
        return "is still away"
    if error.status == wire.UNAUTHENTICATED:
        return "refuses this project's token"
    return f"still cannot take what was logged ({_first_line(str(error))})"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:200]


class Buffer:
    """What a process could not send yet."""

    def __init__(
        self,
        credentials: Callable[[], MlflowHostCreds],
        whose: Record,
        on_sent: Callable[[dict[str, str]], None],
    ) -> None:
        self._credentials = credentials
        self._whose = whose
        self._on_sent = on_sent
        self.folder = spool_folder()
        self._sender: Sender | None = None
        self._not_sent: UnansweredError | None = None
        self._locks()
        self._send_left_in_background()

    def _locks(self) -> None:
        self._lock = threading.RLock()  # over the file: append, open, close
        self._sending = threading.Lock()  # one at a time sends
        self._leaving = threading.Event()

    def after_fork(self) -> None:
        """In a forked child: the file and the thread that sends it stay the parent's."""
        self._locks()
        if self._sender is not None:
            self._sender.spool.close()
            self._sender = None

    @property
    def is_open(self) -> bool:
        """Whether writes are kept now."""
        return self._sender is not None

    # Keeping

    def keep(self, record: Record) -> bool:
        """Keep a call; False when the buffer was closed meanwhile and the call can be made.

        Raises:
            MlflowException: The disk is full. The call is not kept.
        """
        with self._lock:
            if self._sender is None:
                return False
            try:
                self._sender.spool.append(record)
            except OSError as error:
                raise MlflowException(
                    f"The shared MLflow is away and this call cannot be kept: {error}. "
                    "Make room on the disk, or point MLOPS_SPOOL to another one."
                ) from error
            return True

    def open_and_keep(self, record: Record, reason: str) -> None:
        """Keep a call that nobody answered."""
        with self._lock:
            self.open(reason)
            self.keep(record)

    def keep_file(self, record: Record, reason: str) -> None:
        """Keep an upload: a copy of the file, on the disk before the call that names it."""
        with self._lock:
            self.open(reason)
            assert self._sender is not None  # noqa: S101 - open() made it
            file = Path(record["body"]["file"])
            copy = self._sender.spool.files() / uuid.uuid4().hex / file.name
            copy.parent.mkdir()
            shutil.copy2(file, copy)
            with copy.open("rb") as stream:
                os.fsync(stream.fileno())
            record["body"]["file"] = str(copy)
            self.keep(record)

    def open(self, reason: str) -> None:
        """Begin to keep what is written; nothing when that is so already."""
        with self._lock:
            if self._sender is not None:
                return
            try:
                spool = Spool.create(self.folder, self._whose)
            except OSError as error:
                raise MlflowException(
                    f"The shared MLflow is away and {self.folder} cannot be written: {error}."
                ) from error
            self._sender = Sender(self._credentials, spool)
            warn(f"{_opening(reason)} Training goes on; what it logs is kept in {self.folder}.")
            self._start(self._send_loop, "mlops-sender")

    def _start(self, work: Callable[[], None], name: str) -> None:
        try:
            threading.Thread(target=work, name=name, daemon=True).start()
        except RuntimeError:
            return  # the process is ending; at_exit() sends, or the next process

    # Sending

    def _send_loop(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._leaving.wait(wait_s):
            if self.try_send(self._leaving.is_set):
                return
            wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)

    def try_send(self, stop: Stop) -> bool:
        """Send what waits; True when nothing waits any more."""
        with self._sending:
            sender = self._sender
            if sender is None:
                return True
            sender.spool.sync()
            if not wire.is_alive(self._credentials().host):
                self._not_sent = None
                return False
            try:
                closed = self._send_and_close(sender, stop)
            except UnansweredError as error:
                self._note(error)
                return False
        if closed:
            self._on_sent(dict(sender.spool.progress.runs))
            warn(f"the shared MLflow is back; what was kept has been sent{self._but(sender)}.")
            self._send_left(stop)
        return closed

    def _note(self, error: UnansweredError) -> None:
        """Remember why nothing was sent, for the last word; a refused token may be renewed."""
        self._not_sent = error
        if error.status == wire.UNAUTHENTICATED:
            renew_token()

    def _send_and_close(self, sender: Sender, stop: Stop) -> bool:
        while sender.send(stop):
            with self._lock:
                # Nobody can write now. When nothing came in meanwhile, the next call goes out.
                if sender.spool.is_drained:
                    self._sender = None
                    sender.spool.remove()
                    return True
        return False

    def send_left(self, stop: Stop = never) -> tuple[int, int]:
        """Send what ended processes of this project left; return (sent, still waiting) files."""
        sent = 0
        with self._sending:
            for spool in orphans(self.folder, self._is_ours):
                sent += self._send_orphan(Sender(self._credentials, spool), stop)
        return sent, len(waiting(self.folder))

    def send_refused(self) -> tuple[int, int]:
        """Send once more what the server refused; return calls (taken now, refused again).

        Raises:
            UnansweredError: The server is away. What was taken up waits like everything kept.
        """
        calls = again = 0
        with self._sending:
            for path in refused_files(self.folder):
                taken = take_up(path, self._is_ours)
                if taken is None:
                    continue
                spool, count = taken
                sender = Sender(self._credentials, spool)
                if self._send_orphan(sender, never):
                    calls += count
                again += sender.refused
        return calls - again, again

    def _send_orphan(self, sender: Sender, stop: Stop) -> bool:
        done = False
        try:
            done = sender.send(stop)
        except UnansweredError as error:
            if not is_about_one_call(error):
                raise
        finally:
            if done:
                sender.spool.remove()
            else:
                sender.spool.close()  # another process may try
        if sender.refused:
            warn(f"an earlier run's calls were sent{self._but(sender)}.")
        return done

    def _is_ours(self, begin: Record) -> bool:
        """Return whether a file belongs to this project and server; ports change, files do not."""
        if not begin:
            return True  # set aside before it was noted whose; who asks stands in the folder
        if begin.get("project") != self._whose["project"]:
            return False
        configured = bool(begin.get("configured")) and bool(self._whose["configured"])
        return configured or begin.get("uri") == self._whose["uri"]

    def _send_left(self, stop: Stop) -> None:
        try:
            sent, _ = self.send_left(stop)
        except (MlflowException, OSError) as error:
            warn(f"what earlier runs left could not be sent yet: {error}")
            return
        if sent:
            warn(f"sent what {sent} earlier run{'s' if sent > 1 else ''} could not.")

    def _send_left_in_background(self) -> None:
        if waiting(self.folder):
            self._start(lambda: self._send_left_if_alive(self._leaving.is_set), "mlops-left")

    def _send_left_if_alive(self, stop: Stop) -> None:
        if wire.is_alive(self._credentials().host):
            self._send_left(stop)

    def at_exit(self) -> None:
        """Send what can be sent now; the rest waits for the next process."""
        self._leaving.set()
        end = time.monotonic() + _EXIT_LIMIT_S

        def late() -> bool:
            return time.monotonic() > end

        if self._sender is None:
            if waiting(self.folder):  # a short run ends before all is sent that earlier ones left
                self._send_left_if_alive(late)
            return
        if self.try_send(late):
            return
        warn(
            f"the shared MLflow {_closing(self._not_sent)}. What was logged waits in "
            f"{self.folder}; the next run of this project sends it, or "
            "`python -m mlops_client flush`."
        )

    def _but(self, sender: Sender) -> str:
        if not sender.refused:
            return ""
        return (
            f", but {sender.refused} calls it refuses: {self.folder / REFUSED} says why, and "
            "`python -m mlops_client flush --refused` sends them again"
        )
