"""Real songs and hostile files that lie beside a checkout; tests that need them skip without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_PLACE = Path(os.environ.get("MELWATCH_TEST_MATERIAL", Path(__file__).resolve().parents[2] / "shared"))

MUSIC = _PLACE / "music"
HOSTILE = _PLACE / "hostile"

needs_music = pytest.mark.skipif(not MUSIC.is_dir(), reason="needs a folder of real songs (MELWATCH_TEST_MATERIAL)")
needs_hostile = pytest.mark.skipif(not HOSTILE.is_dir(), reason="needs the hostile files (MELWATCH_TEST_MATERIAL)")
