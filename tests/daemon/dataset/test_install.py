"""Every moment of a publish, looked at by a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from datasets import load_from_disk

from editions import Press, songs
from melwatch.dataset import install
from melwatch.platform.disk import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN: dict[str, Any] = {}
FORMS: dict[str, dict[str, Any]] = {
    "shape": {"recipe": "other", "shape": (6, 2)},
    "dtype": {"recipe": "half", "dtype": "float16"},
    "columns": {"columns": ("track_id", "window", "start_s")},
    "all at once": {"recipe": "third", "shape": (3, 5), "dtype": "float16", "columns": ("window",)},
}


class Interrupted(Exception):  # noqa: N818  it is no error
    """The process was killed."""


def rows(library: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Read every row of every split as a reader would."""
    opened = load_from_disk(str(library))
    return {
        split: [(row["paths"], int(row["labels"]), row["input_values"].tobytes(), *sorted(row)) for row in part]
        for split, part in opened.items()
    }


def watch_publish(press: Press, monkeypatch: pytest.MonkeyPatch, look: Callable[[], None], **form: Any) -> None:
    """Publish, and look after every file that is put in place."""
    top = [*press.folder.library.glob("*.*"), *press.folder.library.glob("*/*.json"), press.folder.path / "genres.json"]
    before = {path: path.read_bytes() for path in top}
    press.publish(songs(12), **form)
    for path, content in before.items():
        path.write_bytes(content)

    def replace_and_look(path: Path, content: bytes) -> int:
        written = replace_file(path, content)
        look()
        return written

    with monkeypatch.context() as patch:
        patch.setattr(install, "replace_file", replace_and_look)
        install.install(press.folder, press.number)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_reader_in_the_middle_of_a_change_of_form_opens_a_valid_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    """At each step each split is, whole, the old one or the new one; there and back."""
    press = Press(place=tmp_path)
    press.publish(songs(12))
    plain = rows(press.folder.library)
    for change in (form, PLAIN):
        seen: list[dict[str, list[tuple[Any, ...]]]] = []
        watch_publish(press, monkeypatch, lambda seen=seen: seen.append(rows(press.folder.library)), **change)
        after = rows(press.folder.library)
        before = seen[0]
        assert len(seen) > 10
        assert after != before
        for moment in seen:
            for split, found in moment.items():
                assert found in (before[split], after[split])
    assert after == plain


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_change_of_form_that_was_cut_off_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    """Wherever it stopped, installing the version once more ends as if nothing had happened."""
    for steps in (1, 3, 5, 8, 12):
        press = Press(place=tmp_path / str(steps))
        press.publish(songs(6))
        left = iter(range(steps))

        def stop(left: Any = left) -> None:
            if next(left, None) is None:
                raise Interrupted

        with pytest.raises(Interrupted):
            watch_publish(press, monkeypatch, stop, **form)
        rows(press.folder.library)
        install.install(press.folder, 2)
        whole = Press(place=tmp_path / f"whole {steps}")
        whole.publish(songs(6))
        whole.publish(songs(12), **form)
        assert rows(press.folder.library) == rows(whole.folder.library)
