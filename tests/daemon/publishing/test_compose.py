"""Placing only what needs it comes to the same as placing everything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.splits import place
from melwatch.edition import Split
from melwatch.publishing.compose import _stirred
from melwatch.track import AudioId

SHARES = {Split.TRAIN: 0.7, Split.VALIDATE: 0.1, Split.TEST: 0.2}
SONGS = [AudioId(f"{number:02x}") for number in range(40)]
songs = st.sampled_from(SONGS)
libraries = st.dictionaries(st.sampled_from("ABCDE"), st.lists(songs, min_size=3, max_size=14, unique=True))


@settings(max_examples=300)
@given(genres=libraries, ledger=st.dictionaries(songs, st.sampled_from(list(Split))))
def test_genres_at_rest_need_not_be_placed(genres: dict[str, list[AudioId]], ledger: dict[AudioId, Split]) -> None:
    """What is decided, moved and lacking is the same whether they are looked at or not."""
    whole = place(genres, ledger, SHARES, {})
    part = place(_stirred(genres, ledger), ledger, SHARES, {})

    assert (part.decided, part.moves, part.lacking) == (whole.decided, whole.moves, whole.lacking)
