"""Which names count as tracks, and why the others do not."""

from __future__ import annotations

import pytest

from melwatch.config.sections import DEFAULT_EXCLUDE
from melwatch.library.rules import SENTENCES, Reason, Rules


def rules(
    *, extensions: tuple[str, ...] = (".mp3",), exclude: tuple[str, ...] = DEFAULT_EXCLUDE, ignore: tuple[str, ...] = ()
) -> Rules:
    return Rules.of(extensions=extensions, exclude=exclude, ignore=ignore)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"Rock/a.mp3", None),
        (b"Rock/A.MP3", None),
        (b"Rock/Album/CD 1/a.Mp3", None),
        (b"Rock/caf\xe9.mp3", None),
        (b"Rock/a\nb.mp3", None),
        (b"Rock/ .mp3", None),
        (b"Rock/downloads.mp3", None),
        (b"a.mp3", Reason.IN_ROOT),
        (b"Rock/.a.mp3", Reason.HIDDEN),
        (b"Rock/._a.mp3", Reason.HIDDEN),
        (b"Rock/.mp3", Reason.HIDDEN),
        (b"._a.mp3", Reason.HIDDEN),
        (b"Rock/.DS_Store", Reason.NOT_AUDIO),
        (b"Rock/a.mp3.part", Reason.PARTIAL),
        (b"Rock/a.MP3.CRDOWNLOAD", Reason.PARTIAL),
        (b"Rock/a.mp3.!qB", Reason.PARTIAL),
        (b"Rock/a.flac", Reason.EXTENSION),
        (b"Rock/a.WMA", Reason.EXTENSION),
        (b"a.flac", Reason.EXTENSION),
        (b"Rock/cover.jpg", Reason.NOT_AUDIO),
        (b"Rock/a.mp3.txt", Reason.NOT_AUDIO),
        (b"Rock/mp3", Reason.NOT_AUDIO),
        (b"Rock/a.mp3 ", Reason.NOT_AUDIO),
    ],
)
def test_a_file_counts_by_its_name(path: bytes, reason: Reason | None) -> None:
    """A track has a wanted extension, no dot in front, and lies in a genre folder."""
    assert rules().about_file(path) is reason


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"Rock", None),
        (b"Rock/downloads", None),
        (b"Rock/$RECYCLE.BIN", None),
        (b"downloads", Reason.EXCLUDED),
        (b"DOWNLOADS", Reason.EXCLUDED),
        (b"downloads2", None),
        ("H\u00f6rb\u00fccher".encode(), Reason.EXCLUDED),
        ("Ho\u0308rbu\u0308cher".encode(), Reason.EXCLUDED),
        ("HO\u0308RBU\u0308CHER".encode(), Reason.EXCLUDED),
        ("H\u00f6rb\u00fccher".encode("latin-1"), None),
        (b"system volume information", Reason.EXCLUDED),
        (b".hidden", Reason.HIDDEN),
        (b"Rock/.hidden", Reason.HIDDEN),
        (b"Rock/...And Justice", Reason.HIDDEN),
    ],
)
def test_a_folder_counts_by_its_name(path: bytes, reason: Reason | None) -> None:
    """Names to exclude are compared in NFC and without regard to case, and at the top level only."""
    assert rules().about_folder(path) is reason


@pytest.mark.parametrize("name", ["H\u00f6rb\u00fccher", "Ho\u0308rbu\u0308cher", "h\u00d6RB\u00dcCHER"])
def test_the_setting_may_be_composed_either_way(name: str) -> None:
    """An exclusion works however its accents and case were typed."""
    for folder in ("H\u00f6rb\u00fccher", "Ho\u0308rbu\u0308cher"):
        assert rules(exclude=(name,)).about_folder(folder.encode()) is Reason.EXCLUDED


@pytest.mark.parametrize(
    ("pattern", "path", "is_ignored"),
    [
        ("*live*", b"Rock/a live b.mp3", True),
        ("*live*", b"Rock/a.mp3", False),
        ("Rock/*.mp3", b"Rock/a.mp3", True),
        ("Rock/*.mp3", b"Rock/Album/a.mp3", False),
        ("Rock/**/a.mp3", b"Rock/Album/CD/a.mp3", True),
        ("/a.mp3", b"Rock/a.mp3", False),
        ("a.mp3", b"Rock/a.mp3", True),
        ("# a.mp3", b"Rock/a.mp3", False),
        ("caf\\\\xe9.mp3", b"Rock/caf\xe9.mp3", True),
        ("ä.mp3", "Rock/ä.mp3".encode(), True),
    ],
)
def test_files_are_ignored_by_gitignore_patterns(pattern: str, path: bytes, *, is_ignored: bool) -> None:
    """Patterns are relative to the root and see the path as it is displayed."""
    assert rules(ignore=(pattern,)).about_file(path) is (Reason.IGNORED if is_ignored else None)


@pytest.mark.parametrize(
    ("pattern", "path", "is_ignored"),
    [
        ("Live/", b"Rock/Live", True),
        ("Live/", b"Live", True),
        ("/Live/", b"Rock/Live", False),
        ("Rock/L*/", b"Rock/Live", True),
        ("Live", b"Rock/Live", True),
        ("*.mp3", b"Rock/odd.mp3", True),
        ("Live/", b"Rock/Alive", False),
    ],
)
def test_folders_are_ignored_by_gitignore_patterns(pattern: str, path: bytes, *, is_ignored: bool) -> None:
    """A pattern that names a folder takes all of it away."""
    assert rules(ignore=(pattern,)).about_folder(path) is (Reason.IGNORED if is_ignored else None)


def test_a_later_pattern_may_take_back_an_earlier_one() -> None:
    """As in gitignore, `!` makes an exception."""
    but_one = rules(ignore=("*.mp3", "!a.mp3"))

    assert but_one.about_file(b"Rock/a.mp3") is None
    assert but_one.about_file(b"Rock/b.mp3") is Reason.IGNORED


def test_wanted_extensions_are_no_longer_left_out() -> None:
    """What is configured counts, and an extension that is not configured no more."""
    flac = rules(extensions=(".flac", ".ogg"))

    assert flac.about_file(b"Rock/a.FLAC") is None
    assert flac.about_file(b"Rock/a.ogg") is None
    assert flac.about_file(b"Rock/a.mp3") is Reason.EXTENSION


@pytest.mark.parametrize(
    ("path", "may_enter"),
    [
        (b"$RECYCLE.BIN", False),
        (b"$Recycle.Bin", False),
        (b"System Volume Information", False),
        (b"Rock/$RECYCLE.BIN", True),
        (b"downloads", True),
        (b".hidden", True),
    ],
)
def test_the_systems_own_folders_are_never_entered(path: bytes, *, may_enter: bool) -> None:
    """The waste bin stays shut even where the user excludes nothing."""
    assert rules(exclude=()).may_enter(path) is may_enter


def test_every_reason_has_a_sentence() -> None:
    """`why` can say each reason."""
    assert SENTENCES.keys() == set(Reason)


@pytest.mark.parametrize(
    ("path", "is_folder", "matters"),
    [
        (b"Rock", True, True),
        (b"Rock/Live", True, True),
        (b"Rock/a.mp3", False, True),
        (b"Rock/Live/a.mp3", False, True),
        (b"a.mp3", False, False),
        (b"Rock/a.jpg", False, False),
        (b"Rock/a.mp3.part", False, False),
        (b"Rock/.a.mp3", False, False),
        (b"Rock/.hidden/a.mp3", False, False),
        (b"Rock/.hidden", True, False),
        (b"downloads", True, False),
        (b"downloads/x/a.mp3", False, False),
        (b"$Recycle.Bin/a.mp3", False, False),
    ],
)
def test_what_can_be_or_hold_a_track_matters(path: bytes, is_folder: bool, matters: bool) -> None:  # noqa: FBT001
    """An event elsewhere cannot change the dataset."""
    rules = Rules.of(extensions=(".mp3",), exclude=("downloads",), ignore=())
    assert rules.matters(path, is_folder=is_folder) is matters
