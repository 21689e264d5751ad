"""The overview: health of every project, what needs a person, what changed."""
