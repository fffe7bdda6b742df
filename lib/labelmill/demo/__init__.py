"""The main job on one machine, start to end, with pictures: ``bin/demo``."""
