"""What all tests share."""

from hypothesis import settings

# How long an example takes is the machine's business, and tests assert nothing about time.
settings.register_profile("here", deadline=None)
settings.load_profile("here")
