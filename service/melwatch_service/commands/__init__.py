"""The commands, each in the module named after what it is about."""

from melwatch_service.commands import looking, mending, pictures, setup, sync
from melwatch_service.commands.app import app

__all__ = ["app", "looking", "mending", "pictures", "setup", "sync"]
