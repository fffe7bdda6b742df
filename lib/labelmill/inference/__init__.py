"""Predictions of trained models, with ONNX Runtime. No TensorFlow, no Spark."""
