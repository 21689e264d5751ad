"""Sends what lies in the outbox, one message at a time."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from services.actions.journal import Journal
from services.alerting import channels, delivery, outbox, webhooks, words
from services.alerting.delivery import Send
from services.alerting.models import Message
from services.errors import EngineRefusedError, JournalError, MlopsError, NotFoundError
from services.home import Home

logger = logging.getLogger(__name__)
_BLOCKED_TRIES = 3
_BLOCKED_PAUSE_S = 60.0
"""A VPN that comes up, or a hotel's login page, leads a good name astray for a minute."""


@dataclass(slots=True)
class Sender:
    """The one sender of an installation."""

    journal: Journal
    home: Home
    send: Send = delivery.deliver
    clock: Callable[[], float] = time.time
    public: str = ""
    """Under which address people reach the dashboard; empty: not known."""
    _owed: Callable[[], None] | None = None
    """Notes what became of the last message, while that could not be written down."""
    _blocked: Counter[int] = field(default_factory=Counter)
    """How often the address of a message was not allowed, by its id; tries for other reasons do
    not count. A sender that begins anew tries that often again."""

    def turn(self) -> bool:
        """Send one message; return whether there was one.

        Raises:
            JournalError: The journal cannot be used. What was sent is noted before anything else
                is sent; it is sent again only when this process ends meanwhile.
        """
        self._settle()
        claimed = outbox.claim(self.journal, self.clock())
        if claimed is None:
            return False
        message, doubtful = claimed
        if doubtful:
            message = replace(message, body=f"{message.body}\n{words.REPEATED}")
        try:
            self._send(message)
        except JournalError:
            raise
        except MlopsError as error:
            logger.warning("Message %s did not arrive: %s", message.id, error.message)
            blocked = isinstance(error, EngineRefusedError)
            self._blocked[message.id] += blocked
            final = isinstance(error, NotFoundError) or self._blocked[message.id] >= _BLOCKED_TRIES
            if final:
                del self._blocked[message.id]
            self._owed = partial(
                outbox.failed, self.journal, message, error.message, self.clock(), final=final,
                pause_s=_BLOCKED_PAUSE_S if blocked else None,
            )  # fmt: skip
        else:
            self._blocked.pop(message.id, None)
            self._owed = partial(outbox.sent, self.journal, message, self.clock())
        self._settle()
        return True

    def _settle(self) -> None:
        """Note what became of the last message: on a full disk that may be some turns later."""
        if self._owed is not None:
            self._owed()
            self._owed = None

    def _send(self, message: Message) -> None:
        channel = channels.channel(self.journal, message.channel)
        posted = webhooks.posted(
            self.journal, self.home, channel, message, self.clock(), self.public
        )
        self.send(channel, channels.address(self.home, channel), posted)
