"""The report: over a real mirror, journal, prediction log, telemetry and data repositories."""
