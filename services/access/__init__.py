"""Who people are: accounts, sessions, lockout."""

from services.access.identity import Identity
from services.access.sessions import Access, Session, Ticket, ensure_admin
from services.access.store import User

__all__ = ["Access", "Identity", "Session", "Ticket", "User", "ensure_admin"]
