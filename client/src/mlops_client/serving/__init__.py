"""A model server: one process, one model, asked over a socket.

``python -m mlops_client.serving --bundle DIR --socket PATH`` in a project's folder, with the
project's own Python. It needs neither MLflow nor the platform: a bundle is safetensors and JSON,
and the project's code rebuilds the predictor.
"""
