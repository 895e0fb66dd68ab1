"""Imagegate decides whether a container image may run, and explains it."""

__version__ = "0.1.0"
