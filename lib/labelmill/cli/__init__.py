"""The ``labelmill`` command: one file per verb; `main` registers them, `exit_codes` maps errors."""
