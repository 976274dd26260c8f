"""Work for a Dask worker that finds this module in its path, while the scheduler does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.spectrogram.posts import ForgottenError, UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def nothing() -> str:
    return ""


def perform(work: Callable[[int], int], task: int, limit_s: float) -> int:
    assert limit_s == 60.0
    return work(task)


def forget_once(mark: Path, work: Callable[[int], int], task: int, limit_s: float) -> int:
    """Be another process than was welcomed, at first."""
    if not mark.exists():
        mark.touch()
        raise ForgottenError("It is not ready")
    return perform(work, task, limit_s)


def cannot(work: Callable[[int], int], task: int, limit_s: float) -> int:
    del work, task, limit_s
    raise UnfitError("its disk is full")


def fail(task: int) -> int:
    raise ZeroDivisionError(task)
