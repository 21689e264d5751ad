"""Apple-Silicon telemetry, and what other machines tell of themselves."""
