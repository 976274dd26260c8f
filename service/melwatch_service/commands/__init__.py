"""The commands, each in the module named after what it is about."""

from importlib import import_module

from melwatch_service.commands.app import app

__all__ = ["app"]

# In the order in which `--help` lists their commands.
for _name in (
    "sync",
    "run",
    "service",
    "setup",
    "doctor",
    "looking",
    "page",
    "history",
    "elsewhere",
    "control",
    "splits",
    "adopting",
    "mending",
    "pictures",
):
    import_module(f"{__name__}.{_name}")
