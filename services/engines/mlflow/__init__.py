"""MLflow: tracking and registry of all projects, one workspace each."""
