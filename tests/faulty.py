"""A fault put into the extraction of marked songs, in whatever Python starts with a certain folder in its path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from building import library

if TYPE_CHECKING:
    from pathlib import Path

FAULTY = """
import importlib.abc, importlib.machinery, sys

class Finder(importlib.abc.MetaPathFinder):
    '''Puts a fault into the extraction of songs that hold a mark, as soon as that is imported.'''

    def find_spec(self, name, path, target=None):
        if name != "melwatch.spectrogram.extract":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            extract = module.extract

            def faulty(source, recipe):
                if b"FAULT" in source.read_at(0, source.length):
                    FAULT
                return extract(source, recipe)

            module.extract = faulty

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


def faulty_site(place: Path, fault: str) -> dict[str, str]:
    """Return the variables by which songs that hold `FAULT` meet a line of code where they are extracted."""
    site = library(place, {"sitecustomize.py": FAULTY.replace("FAULT\n", fault + "\n").encode()})
    return {"PYTHONPATH": os.pathsep.join((str(site), os.environ.get("PYTHONPATH", "")))}


def mark(song: Path) -> None:
    """Have a song meet the fault."""
    song.write_bytes(song.read_bytes() + b"FAULT" * 100)
