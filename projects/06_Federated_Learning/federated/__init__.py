"""Federated averaging over clients that are processes of their own."""
