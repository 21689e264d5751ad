"""The sampler: one process a machine that writes down what the machine does."""
