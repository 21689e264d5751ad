"""One file a part of the report."""
