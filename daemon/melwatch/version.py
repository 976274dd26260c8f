"""The version of melwatch."""

__version__ = "0.1.0"
