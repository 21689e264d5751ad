"""What a project, or the whole toolkit, did in a stretch of time, as one document and one file."""
