"""Batches as a `tf.data.Dataset`."""
