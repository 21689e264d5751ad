"""The parameters of the page's address."""

PART = "part"
JOB = "job"
"""The job that is looked at."""
REASON, STATE = "reason", "state"
PAGE = "jobs"
LONGEST = "waits"
"""The page of the timeline."""
