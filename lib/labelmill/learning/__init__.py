"""Training models: families, fit, export. Keras; no Spark, no store. TensorFlow is imported when used."""
