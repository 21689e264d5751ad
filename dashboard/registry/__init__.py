"""The registry: models of all projects, their versions, and who promoted which when."""
