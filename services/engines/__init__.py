"""One folder an engine: models, wire, adapter; and the edges they share."""
