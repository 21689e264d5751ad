"""Who people are: users, sessions, lockout."""
