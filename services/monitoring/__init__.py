"""What predictions tell of a model in service: whether data are as before."""
