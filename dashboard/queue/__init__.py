"""The page of the queue: what runs, what waits and why, shares, and what-if."""
