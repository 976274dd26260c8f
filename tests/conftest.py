"""What all tests share: default folders that are traps, so that no test touches the user's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEFAULT_FOLDERS = (
    "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
)  # fmt: skip


settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lead every default folder into a place of this session, and melwatch's own variables nowhere."""
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith("MELWATCH_")]:
            patch.delenv(variable)
        for variable in _DEFAULT_FOLDERS:
            patch.setenv(variable, str(place / variable.lower()))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield place
