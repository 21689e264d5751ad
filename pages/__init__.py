"""One thin file a page: filter, ask, draw."""
