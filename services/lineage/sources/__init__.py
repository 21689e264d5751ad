"""One file a kind of edge: what is before and after a thing, and what the thing is."""
