"""Answers of trained models, by ONNX Runtime. No TensorFlow, no Spark."""
