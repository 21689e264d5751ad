"""Rules: what is the matter, as pure functions from what is known to events, one file a kind.

A rule is told the keys of its alerts that are open, and says something of each of them: ``firing``
while it lasts, ``ok`` with the evidence that it is over (also that what it was about is gone), and
``unknown`` when nobody can tell. Of what is well and has no open alert it may say nothing.
"""
