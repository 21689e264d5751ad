"""The prediction log: what the gateway answered, durable before the answer, in columns after."""
