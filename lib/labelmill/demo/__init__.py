"""The demo: the whole pipeline on one machine, start to end; ``bin/demo`` runs it."""
