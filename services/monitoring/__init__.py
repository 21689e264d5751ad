"""Monitoring: what models are asked and answer now, beside what they were evaluated on."""
