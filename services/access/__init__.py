"""Who people are: accounts, sessions, lockout."""

from services.access.sessions import Access, Session, Ticket, ensure_admin
from services.access.store import User

__all__ = ["Access", "Session", "Ticket", "User", "ensure_admin"]
