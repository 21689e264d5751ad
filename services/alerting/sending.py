"""Sends what lies in the outbox, one message at a time."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.actions.journal import Journal
from services.alerting import channels, delivery, outbox, words
from services.alerting.delivery import Send
from services.alerting.models import Message
from services.errors import EngineRefusedError, JournalError, MlopsError, NotFoundError
from services.home import Home

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Sender:
    """The one sender of an installation."""

    journal: Journal
    home: Home
    send: Send = delivery.deliver
    clock: Callable[[], float] = time.time

    def turn(self) -> bool:
        """Send one message; return whether there was one.

        Raises:
            JournalError: The journal cannot be used; what was sent may be sent again.
        """
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
            final = isinstance(error, EngineRefusedError | NotFoundError)
            outbox.failed(self.journal, message, error.message, self.clock(), final=final)
        else:
            outbox.sent(self.journal, message, self.clock())
        return True

    def _send(self, message: Message) -> None:
        channel = channels.channel(self.journal, message.channel)
        self.send(channel, channels.address(self.home, channel), message)
