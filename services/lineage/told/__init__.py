"""What leaves as OpenLineage events, one module a store that it is read of."""
