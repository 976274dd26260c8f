"""Which parts of a track become spectrograms; arithmetic only, no samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPolicy:
    """Which parts of a track become spectrograms."""

    length_s: float = 10.24
    per_track: int = 6

    def starts(self, track_samples: int) -> tuple[int, ...]:
        """First sample of each window; evenly spaced, the first at 0."""
        stride_samples = track_samples // self.per_track
        return tuple(window * stride_samples for window in range(self.per_track))

    def window_samples(self, rate_hz: int) -> int:
        """How many samples a whole window has; the last windows of a short track have fewer."""
        return round(self.length_s * rate_hz)
