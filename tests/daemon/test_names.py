"""How names on disk become text."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.names import display, folded, genre_of, native, printable

quick = settings(max_examples=60)


@quick
@given(name=st.text(max_size=6), form=st.sampled_from(["NFC", "NFD"]))
def test_folding_does_not_see_how_a_name_is_composed(name: str, form: str) -> None:
    """A name compares equal to itself however its accents are encoded."""
    assert folded(unicodedata.normalize(form, name)) == folded(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Hörbücher", "HÖRBÜCHER", True),
        ("Hörbücher", "ho\u0308rbu\u0308cher", True),
        ("Straße", "STRASSE", True),
        ("downloads", "Downloads", True),
        ("downloads", "download", False),
        ("Mixes", "Mixes ", False),
        ("Hörbücher", "Horbucher", False),
    ],
)
def test_names_are_compared_without_regard_to_case(one: str, other: str, *, is_same: bool) -> None:
    """Case makes no difference, letters and accents do."""
    assert (folded(one) == folded(other)) is is_same


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"Rock/a.mp3", "Rock/a.mp3"),
        ("Künstler/ä.mp3".encode(), "Künstler/ä.mp3"),
        (b"Rock/caf\xe9.mp3", "Rock/caf\\xe9.mp3"),
        (b"Rock/a\nb.mp3", "Rock/a\nb.mp3"),
    ],
)
def test_bytes_that_are_not_utf_8_appear_as_escapes(path: bytes, shown: str) -> None:
    """A path is shown as it is as far as it is text."""
    assert display(path) == shown


@quick
@given(path=st.binary())
def test_any_path_can_be_shown_and_encoded(path: bytes) -> None:
    """What is shown of a path fits into UTF-8, whatever the path holds."""
    assert display(path).encode("utf-8").decode("utf-8") == display(path)


@pytest.mark.parametrize(
    ("path", "genre"),
    [
        (b"Rock/a.mp3", "Rock"),
        (b"Rock/Album/CD 1/a.mp3", "Rock"),
        (b"a.mp3", "a.mp3"),
        ("Volkstu\u0308mlich/a.mp3".encode(), "Volkstümlich"),
        (b"Caf\xe9/a.mp3", "Caf\\xe9"),
        (b"rock/a.mp3", "rock"),
    ],
)
def test_the_genre_is_the_top_level_folder_in_nfc(path: bytes, genre: str) -> None:
    """Nested folders do not change the genre, nor does the way its accents are encoded."""
    assert genre_of(path) == genre


def test_the_native_path_lies_below_the_root() -> None:
    """A relative path is opened below the root, by its own bytes, with the system's separators."""
    opened = native(b"music", b"Caf\xe9/CD 1/a.mp3")

    assert opened.split(os.sep.encode()) == [b"music", b"Caf\xe9", b"CD 1", b"a.mp3"]


@quick
@given(text=st.text(max_size=6))
def test_nothing_that_is_printed_controls_the_terminal(text: str) -> None:
    """Escape sequences and line breaks in a name come out harmless, all else as it was."""
    shown = printable(text)

    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"), [("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("Ünder", "Ünder"), ("a\u202eb", "a\\u202eb")]
)
def test_control_characters_become_escapes(text: str, shown: str) -> None:
    """A control character is shown by its escape."""
    assert printable(text) == shown
