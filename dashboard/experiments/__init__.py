"""Experiments: the table of all runs, the comparison of some, and the page of one."""
