"""The page of workflows: all of them, one of them, one of its runs."""
