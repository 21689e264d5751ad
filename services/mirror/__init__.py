"""The local copy of what the engines said: schema, sync, queries, change feed."""
