"""One model per executor task."""
