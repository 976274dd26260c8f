"""Splits of a library that grows and shrinks, as `docs/splits.md` promises them."""

from __future__ import annotations

from bench.splits import STEPS, broken, simulate

OURS = ("melwatch, `track`", "melwatch, `artist`")


def test_a_growing_library_keeps_its_promises() -> None:
    """Nothing goes from held-out to train, no artist is in test and train, and by track no genre drifts."""
    found = simulate(1, OURS)

    assert {step for _, step in found} == {step for step, _ in STEPS}
    assert broken(found) == []


def test_splits_by_artist_are_near_their_shares() -> None:
    """No genre's test split is off by more than a twentieth of the genre while the library grows."""
    found = simulate(1, OURS[1:])

    assert max(row.worst_drift for (_, step), rows in found.items() if step.startswith("+") for row in rows) < 0.05
