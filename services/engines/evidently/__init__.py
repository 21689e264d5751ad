"""Evidently, the library that draws full reports of data: only ever in a process of its own."""
