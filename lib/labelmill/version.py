"""The version. Here and not in `labelmill/__init__.py`: modules that print it import no public name."""

__version__ = "0.1.0"
