"""The page of deployments: what is in service, how it does, and what is done with it."""
