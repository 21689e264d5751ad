"""A mail server on this machine: STARTTLS, a password, and what it was given."""

import base64
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer

USER, PASSWORD = "ops", "hunter2"
NOBODY = "nobody@team.example"
"""It takes no mail for this one."""


@dataclass(frozen=True)
class Mail:
    """One message, and how it came."""

    sender: str
    to: tuple[str, ...]
    message: EmailMessage


class Mails(ThreadingTCPServer):
    """What arrived. It takes nothing before STARTTLS and a sign-in."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.tls = tls
        self.got: list[Mail] = []

    def handle_error(self, *_: object) -> None:
        """Say nothing: who does not trust the certificate goes away."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Talk(StreamRequestHandler):
    server: Mails

    def handle(self) -> None:
        self.secure = self.known = False
        self.sender, self.to = "", list[str]()
        self._say("220 mail.example ESMTP")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            getattr(self, f"_{word.lower()}", self._unknown)(rest)

    def finish(self) -> None:
        super().finish()
        self.request.close()  # after STARTTLS the server knows another one

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _unknown(self, _: str) -> None:
        self._say("502 5.5.1 Not here.")

    def _ehlo(self, _: str) -> None:
        self._say("250-mail.example", "250 AUTH PLAIN" if self.secure else "250 STARTTLS")

    def _starttls(self, _: str) -> None:
        self._say("220 Go on.")
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.setup()
        self.secure = True

    def _auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        self.known = self.secure and (user, password) == (USER, PASSWORD)
        self._say("235 2.7.0 Well." if self.known else f"535 5.7.8 {password} is wrong.")

    def _mail(self, rest: str) -> None:
        self.sender = rest.partition("<")[2].partition(">")[0]
        self._say("250 2.1.0 Well." if self.known else "530 5.7.0 Who are you?")

    def _rcpt(self, rest: str) -> None:
        to = rest.partition("<")[2].partition(">")[0]
        if to == NOBODY:
            self._say("550 5.1.1 No such mailbox.")
            return
        self.to.append(to)
        self._say("250 2.1.5 Well.")

    def _data(self, _: str) -> None:
        self._say("354 Go on.")
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.server.got.append(Mail(self.sender, tuple(self.to), message))
        self._say("250 2.0.0 Taken.")

    def _rset(self, _: str) -> None:
        self.to.clear()
        self._say("250 2.0.0 Well.")

    def _quit(self, _: str) -> None:
        self._say("221 2.0.0 Bye.")


@contextmanager
def running(tls: ssl.SSLContext) -> Iterator[Mails]:
    """A server for as long as the block lasts."""
    mails = Mails(tls)
    thread = threading.Thread(target=mails.serve_forever, daemon=True)
    thread.start()
    try:
        yield mails
    finally:
        mails.shutdown()
        mails.server_close()
        thread.join()
