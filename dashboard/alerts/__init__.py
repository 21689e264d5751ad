"""The page of alerts: what fires, what people do about it, and who is told."""
