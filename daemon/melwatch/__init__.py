"""melwatch keeps a Hugging Face dataset of log-mel spectrograms in step with a music library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melwatch.dataset.follow import follow
    from melwatch.dataset.read import current_version, load

__all__ = ["current_version", "follow", "load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever is asked for
    """Import the reading functions when they are used, not when melwatch is imported."""
    if name == "follow":
        from melwatch.dataset.follow import follow

        return follow
    if name in __all__:
        from melwatch.dataset import read

        return getattr(read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
