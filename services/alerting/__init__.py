"""Alerts: what rules saw becomes what people are told, once, and ends on evidence alone."""
