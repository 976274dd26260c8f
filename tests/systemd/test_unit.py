"""The text of unit files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import pytest

from melwatch.config.instance import Instance, Scope
from melwatch.errors import ConfigError
from melwatch_systemd.account import Account, account_in
from melwatch_systemd.unit import Places, command_line, own_changes, program_in, quoted, system_unit, user_unit

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = Instance(name="jazz", scope=Scope.SYSTEM)
MEDIA = Account(user="media", group="anna", own_group="media")


class Place(PurePosixPath):
    """A path of Linux on any system; no link leads elsewhere."""

    def resolve(self) -> Place:
        """Return itself."""
        return self


def places(**other: Any) -> Places:
    """Return where things usually lie."""
    facts = {
        "python": Place("/opt/melwatch/bin/python"), "config_file": Place("/etc/melwatch/jazz.toml"),
        "writable": [Place("/srv/dataset")], "readable": [Place("/srv/music")],
    }  # fmt: skip
    return Places(**cast("Any", facts | other))


@pytest.mark.parametrize(
    ("text", "in_unit"),
    [
        ("/srv/plain", '"/srv/plain"'),
        ("/srv/two words", '"/srv/two words"'),
        ("/srv/100%", '"/srv/100%%"'),
        ('/srv/a"b', '"/srv/a\\"b"'),
        ("/srv/a\\b", '"/srv/a\\\\b"'),
        ("/srv/Hörbücher", '"/srv/Hörbücher"'),
        ("/srv/$HOME", '"/srv/$HOME"'),
    ],
)
def test_words_are_quoted_for_unit_files(text: str, in_unit: str) -> None:
    """Quotes and backslashes by a backslash, the percent sign by another."""
    assert quoted(text) == in_unit


@pytest.mark.parametrize("text", ["/srv/a\nb", "/srv/a\udcff", "/srv/a\x00"])
def test_what_no_unit_file_can_hold_is_refused(text: str) -> None:
    """With a sentence."""
    with pytest.raises(ConfigError, match="cannot be told"):
        quoted(text)


def test_the_command_is_the_very_python_and_configuration() -> None:
    """Nothing is looked up on a path, in a working folder, or in variables."""
    assert command_line(places()) == (
        ':"/opt/melwatch/bin/python" "-P" "-m" "melwatch_service" "run" "--config" "/etc/melwatch/jazz.toml"'
    )


def test_a_python_of_an_odd_name_is_started_by_env() -> None:
    """A program's path may hold neither quotes nor backslashes, the arguments of another may."""
    assert command_line(places(python=Place("/opt/a'b/python"))).startswith(':"/usr/bin/env" "/opt/a\'b/python" "-P"')


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ({}, "ProtectHome=yes"),
        ({"readable": [Place("/home/anna/Music")]}, "ProtectHome=read-only"),
        ({"python": Place("/root/mw/bin/python")}, "ProtectHome=read-only"),
        ({}, "PrivateTmp=yes"),
        ({"writable": [Place("/var/tmp/dataset")]}, "PrivateTmp=no"),  # noqa: S108  the very case
        ({}, 'ReadWritePaths="-/srv/dataset"'),
        ({}, "StateDirectory=melwatch/jazz"),
        ({}, "UMask=0002"),
    ],
)
def test_a_service_of_the_machine_sees_what_it_needs(where: dict[str, Path], line: str) -> None:
    """Homes and temporary folders are shut unless something lies there."""
    assert line in system_unit(MACHINE, places(**where), MEDIA).splitlines()


def test_an_account_of_its_own_shares_with_nobody() -> None:
    """The state is then for its eyes only."""
    unit = system_unit(MACHINE, places(), Account(user="media", group="media", own_group="media")).splitlines()
    assert "UMask=0022" in unit
    assert "StateDirectoryMode=0750" in unit


def test_whom_it_runs_as_is_read_back_for_an_upgrade() -> None:
    """As it was written."""
    assert account_in(system_unit(MACHINE, places(), MEDIA)) == MEDIA
    with pytest.raises(ConfigError, match="does not say"):
        account_in(user_unit(Instance(), places()))


def test_no_placeholder_is_left() -> None:
    """Every unit and every file for changes of one's own is complete."""
    for text in (system_unit(MACHINE, places(), MEDIA), user_unit(Instance(), places()), own_changes(MACHINE)):
        assert "{" not in text
        assert text.endswith("\n")
    assert "systemctl --user" in own_changes(Instance())


@pytest.mark.parametrize(
    "python", ["/opt/melwatch/bin/python", "/srv/two words/python", "/srv/100%/python", '/srv/a"b\\c/python']
)
def test_what_a_unit_starts_is_read_back(python: str) -> None:
    """Whatever its path holds."""
    assert str(program_in(user_unit(MACHINE, places(python=Place(python))))) == python
    assert str(program_in(system_unit(MACHINE, places(python=Place(python)), MEDIA))) == python


def test_a_unit_that_starts_nothing_is_refused() -> None:
    """With what writes it anew."""
    with pytest.raises(ConfigError, match="does not say what it starts"):
        program_in("[Service]\nType=notify\n")
