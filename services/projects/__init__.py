"""What a project is: contract, discovery, onboarding, conformance."""
