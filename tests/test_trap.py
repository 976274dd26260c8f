"""The trap that keeps tests away from the user's folders is set."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def test_default_folders_lead_into_the_trap(trap: Path) -> None:
    """Home, state, configuration and cache all lie in the session's own folder."""
    places = [
        Path.home(),
        platformdirs.user_state_path("melwatch"),
        platformdirs.user_config_path("melwatch"),
        platformdirs.user_cache_path("melwatch"),
    ]
    assert all(trap in place.parents for place in places)
