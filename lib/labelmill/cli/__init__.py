"""The command people use. One file a verb; `main` maps flags to use cases and errors to exit codes."""
