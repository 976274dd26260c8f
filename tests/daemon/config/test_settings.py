"""What the user may set, where it comes from, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from melwatch.config.sections import DEFAULT_EXCLUDE, Config
from melwatch.config.settings import default_config_file, find_config_file, load_config
from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    Configure = Callable[[str], Path]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Return a function that writes a configuration file."""

    def write(toml: str) -> Path:
        file = tmp_path / "melwatch.toml"
        file.write_text(toml, encoding="utf-8")
        return file

    return write


def problems_of(file: Path | None, **folders: Path) -> dict[str, str]:
    """Return what is said about a bad configuration, by key."""
    with pytest.raises(ConfigError) as raised:
        load_config(file, **folders)
    assert raised.value.exit_code == 2
    return {problem.key: problem.what for problem in raised.value.problems}


# Where settings come from.


@pytest.mark.parametrize("is_on_command_line", [False, True])
@pytest.mark.parametrize("is_in_environment", [False, True])
@pytest.mark.parametrize("is_in_file", [False, True])
def test_command_line_wins_over_environment_over_file_over_default(
    configure: Configure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_on_command_line: bool,
    is_in_environment: bool,
    is_in_file: bool,
) -> None:
    """Of all the places that name the dataset the strongest is heard."""
    file = configure(f"[dataset]\npath = '{tmp_path / 'file'}'" if is_in_file else "")
    if is_in_environment:
        monkeypatch.setenv("MELWATCH_DATASET__PATH", str(tmp_path / "environment"))
    named = tmp_path / "line" if is_on_command_line else None

    config = load_config(file, music=tmp_path / "music", dataset=named)

    given = [named, is_in_environment and tmp_path / "environment", is_in_file and tmp_path / "file"]
    default = Path.home() / "datasets" / "music"
    assert config.dataset.path == next((place for place in given if place), default)


def test_sources_are_merged_key_by_key(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stronger source that names one key of a section leaves the section's other keys alone."""
    file = configure("[dataset]\nkeep_versions = 7\npaths = 'relative'\n[library]\nmin_tracks_per_genre = 9")
    monkeypatch.setenv("MELWATCH_DATASET__KEEP_VERSIONS", "5")

    config = load_config(file, music=tmp_path / "music", state=tmp_path / "state")

    assert (config.dataset.keep_versions, config.dataset.paths) == (5, "relative")
    assert (config.library.min_tracks_per_genre, config.dataset.state) == (9, tmp_path / "state")


def test_the_music_alone_is_enough(tmp_path: Path) -> None:
    """A configuration that names nothing but the root has the documented defaults."""
    config = load_config(music=tmp_path / "music")

    assert config.library.root == tmp_path / "music"
    assert config.library.exclude == DEFAULT_EXCLUDE
    assert config.library.extensions == (".mp3",)
    assert config.library.min_tracks_per_genre == 6
    assert (config.dataset.state, config.dataset.paths) == (None, "absolute")
    assert (config.dataset.keep_versions, config.dataset.keep_hours) == (3, 168)
    assert (config.spectrogram.window_s, config.spectrogram.windows_per_track) == (10.24, 6)
    assert config.splits.shares == {"train": 0.7, "validate": 0.1, "test": 0.2}
    assert config.workers.processes >= 1


def test_lists_come_from_the_environment_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in the environment is written as in JSON."""
    monkeypatch.setenv("MELWATCH_LIBRARY__EXCLUDE", '["Mixes", "Hörbücher"]')

    assert load_config(music=tmp_path / "music").library.exclude == ("Mixes", "Hörbücher")


def test_nothing_can_be_changed_afterwards(tmp_path: Path) -> None:
    """A configuration is a value."""
    config = load_config(music=tmp_path / "music")

    with pytest.raises(ValueError, match="frozen"):
        config.library.min_tracks_per_genre = 3  # type: ignore[misc]


# Which file is read.


def test_the_default_file_is_read_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a named file the one in the user's configuration folder counts, or none."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert find_config_file(None) is None

    default_config_file().parent.mkdir(parents=True, exist_ok=True)
    default_config_file().write_text("[library]\nmin_tracks_per_genre = 9")

    assert find_config_file(None) == default_config_file()
    assert load_config(music=tmp_path / "music").library.min_tracks_per_genre == 9


def test_a_named_file_wins_over_the_variable(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MELWATCH_CONFIG` names the file to read unless the command line does."""
    other = tmp_path / "other.toml"
    other.touch()
    monkeypatch.setenv("MELWATCH_CONFIG", str(other))

    assert find_config_file(None) == other
    assert find_config_file(configure("")) == tmp_path / "melwatch.toml"


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_file_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_variable: bool) -> None:
    """A file that was named and is not there is an error that says how to get one."""
    missing = tmp_path / "missing.toml"
    if by_variable:
        monkeypatch.setenv("MELWATCH_CONFIG", str(missing))

    with pytest.raises(ConfigError, match=r"missing\.toml") as raised:
        load_config(None if by_variable else missing, music=tmp_path / "music")

    assert "init" in raised.value.hint


# Folders.


@pytest.mark.parametrize(
    ("named", "meant"),
    [("music", "etc/music"), ("./music/", "etc/music"), ("../music", "music"), ("a/../b", "etc/b")],
)
def test_relative_folders_in_a_file_are_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, meant: str
) -> None:
    """A file means the same from wherever melwatch is started, also when it is itself named relatively."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "etc" / "melwatch.toml"
    file.write_text(f"[library]\nroot = '{named}'\n[dataset]\npath = 'data'\nstate = 'state'")
    monkeypatch.chdir(tmp_path / "elsewhere")

    for spelling in (file, Path("..") / "etc" / "melwatch.toml"):
        config = load_config(spelling)
        assert config.library.root == tmp_path / meant
        assert config.dataset.path == tmp_path / "etc" / "data"
        assert config.dataset.state == tmp_path / "etc" / "state"


def test_relative_folders_on_the_command_line_are_relative_to_the_working_folder(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed or set in a shell is meant from where the shell is."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("MELWATCH_DATASET__STATE", "state")

    config = load_config(configure(""), music=Path("music"), dataset=Path("../data"))

    assert config.library.root == tmp_path / "here" / "music"
    assert config.dataset.path == tmp_path / "data"
    assert config.dataset.state == tmp_path / "here" / "state"


def test_a_tilde_means_home(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the user's home in a file, in the environment and on the command line."""
    monkeypatch.setenv("MELWATCH_DATASET__PATH", "~/data")

    config = load_config(configure("[library]\nroot = '~/music'"), state=Path("~/state"))

    assert config.library.root == Path.home() / "music"
    assert config.dataset.path == Path.home() / "data"
    assert config.dataset.state == Path.home() / "state"


@pytest.mark.parametrize("source", ["file", "environment", "line"])
def test_the_default_dataset_is_named_after_the_music(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Wherever the root was named, its last part names the dataset below `~/datasets`."""
    root = tmp_path / "My Music"
    file = configure(f"[library]\nroot = '{root}'" if source == "file" else "")
    if source == "environment":
        monkeypatch.setenv("MELWATCH_LIBRARY__ROOT", str(root))

    config = load_config(file, music=root if source == "line" else None)

    assert config.dataset.path == Path.home() / "datasets" / "My Music"


@pytest.mark.parametrize(
    ("music", "dataset", "state", "keys"),
    [
        ("m", "d", "s", set()),
        ("m", "d", "d/state", set()),
        ("m", "m-data", "m.state", set()),
        ("d/music", "d", "s", set()),
        ("m", "m", "s", {"dataset.path"}),
        ("m", "m/data", "s", {"dataset.path"}),
        ("m", "m/Rock/data", "s", {"dataset.path"}),
        ("m", "d", "m", {"dataset.state"}),
        ("m", "d", "m/state", {"dataset.state"}),
        ("s/m", "d", "s", {"dataset.state"}),
        ("m", "m/data", "m/state", {"dataset.path", "dataset.state"}),
        ("d/music_lib", "d", "s", {"library.root"}),
        ("d/music_lib/Rock", "d", "s", {"library.root"}),
    ],
)
def test_folders_may_not_get_in_each_others_way(
    tmp_path: Path, music: str, dataset: str, state: str, keys: set[str]
) -> None:
    """Dataset and state lie outside the music, and the music outside what melwatch publishes."""
    folders = {"music": tmp_path / music, "dataset": tmp_path / dataset, "state": tmp_path / state}

    if keys:
        assert problems_of(None, **folders).keys() == keys
    else:
        assert load_config(**folders).dataset.path == tmp_path / dataset


@pytest.mark.parametrize(
    ("excluded", "folder", "is_allowed"),
    [
        ("Data", "Data", True),
        ("data", "DATA/deep/below", True),
        ("Ho\u0308rbu\u0308cher", "Hörbücher/x", True),
        ("below", "Data/below", False),
        ("Dat", "Data", False),
    ],
)
def test_an_excluded_top_level_folder_may_hold_the_dataset(
    configure: Configure, tmp_path: Path, excluded: str, folder: str, *, is_allowed: bool
) -> None:
    """Inside the root there is room for the dataset only where no track is looked for."""
    file = configure(f"[library]\nexclude = ['{excluded}']")
    folders = {"music": tmp_path / "m", "dataset": tmp_path / "m" / folder, "state": tmp_path / "m" / folder / "s"}

    if is_allowed:
        assert load_config(file, **folders).dataset.path == folders["dataset"]
    else:
        assert problems_of(file, **folders).keys() == {"dataset.path", "dataset.state"}


# Mistakes.


def test_all_problems_are_told_at_once(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mistake is named by its key, whichever source it came from."""
    monkeypatch.setenv("MELWATCH_WORKERS__MEMORY_MB", "lots")
    file = configure(
        """
        librari = "/music"
        [library]
        extensions = [".mp3", ".exe"]
        min_tracks_per_genre = 2
        min_track_per_genre = 6
        [dataset]
        paths = "both"
        [spectrogram]
        window_s = 0
        [splits]
        train = 0.8
        [sheduler]
        """
    )

    problems = problems_of(file, music=tmp_path / "music")

    assert problems.keys() == {
        "librari", "library.extensions.1", "library.min_tracks_per_genre", "library.min_track_per_genre",
        "dataset.paths", "spectrogram.window_s", "splits", "sheduler", "workers.memory_mb",
    }  # fmt: skip
    assert "'.exe'" in problems["library.extensions.1"]
    assert problems["splits"] == "train, validate and test add up to 1.1, not to 1"


def test_unknown_settings_are_refused_with_a_hint(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt key, be it in the environment, leads to the list of those that exist."""
    monkeypatch.setenv("MELWATCH_LIBRARY__ROTO", "/music")

    with pytest.raises(ConfigError) as raised:
        load_config(configure("[dataset]\npaht = 'x'"), music=tmp_path / "music")

    assert {problem.key for problem in raised.value.problems} == {"library.roto", "dataset.paht"}
    assert all("init --print" in problem.hint for problem in raised.value.problems)


def test_a_missing_root_is_a_problem_that_says_how_to_name_it(configure: Configure) -> None:
    """Without any music there is an error that names the option and the key."""
    with pytest.raises(ConfigError) as raised:
        load_config(configure("[log]\nlevel = 'debug'"))

    hints = {problem.key: problem.hint for problem in raised.value.problems}
    assert "--music" in hints["library.root"]


@pytest.mark.parametrize("root", ['"D:\\Music"', '"C:\\Users\\me"'])
def test_windows_paths_in_double_quotes_get_a_hint(configure: Configure, root: str) -> None:
    """TOML takes backslashes in double quotes for escapes, so the hint shows single quotes."""
    with pytest.raises(ConfigError, match=r"melwatch\.toml.*line 2") as raised:
        load_config(configure(f"[library]\nroot = {root}"))

    assert "root = 'D:\\Music'" in raised.value.hint


def test_a_file_that_is_not_utf_8_is_refused(configure: Configure) -> None:
    """Text in another encoding is an error that asks for UTF-8."""
    file = configure("")
    file.write_bytes("[library]\nroot = 'Musikstücke'".encode("latin-1"))

    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(file)


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[library]\nroot = 5", "library.root"),
        ("[dataset]\npath = ['x']", "dataset.path"),
        ("[dataset]\nstate = 5", "dataset.state"),
        ("[library]\nroot = '~no such user/music'", "library.root"),
        ("library = 5", "library"),
        ("[[library]]\nroot = '/music'", "library"),
        ("dataset = 5", "dataset"),
        ("splits = 5", "splits"),
        ("[workers]\nprocesses = 0", "workers.processes"),
        ("[workers]\nmemory_mb = 'much'", "workers.memory_mb"),
        ("[dataset]\nkeep_hours = nan", "dataset.keep_hours"),
        ("[dataset]\nkeep_hours = -1", "dataset.keep_hours"),
        ("[dataset]\nkeep_hours = 1e300", "dataset.keep_hours"),
        ("[dataset]\nkeep_versions = 0", "dataset.keep_versions"),
        ("[library]\nextensions = []", "library.extensions"),
    ],
)
def test_a_wrong_value_is_a_problem_with_its_key(configure: Configure, toml: str, key: str) -> None:
    """A value of the wrong kind, or beyond reason, is a mistake of the user's and no bug of ours."""
    assert key in problems_of(configure(toml))


def test_a_section_that_is_no_section_is_told_also_where_the_command_line_would_do(
    configure: Configure, tmp_path: Path
) -> None:
    """A mistake in the file is not passed over because the folders were named otherwise."""
    file = configure("library = 5")

    assert "library" in problems_of(file, music=tmp_path / "music", dataset=tmp_path / "data")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MELWATCH_LIBRARY", "nonsense"),
        ("MELWATCH_WORKERS", "4"),
        ("MELWATCH_LIBRARY__EXCLUDE", "Mixes"),
        ("MELWATCH_LIBRARY__EXTENSIONS", ".mp3"),
        ("MELWATCH_WORKERS__PROCESSES", "many"),
        ("MELWATCH_DATASET__STATE", "~no such user/state"),
    ],
)
def test_a_wrong_variable_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A mistake in the environment is told like one in the file."""
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigError) as raised:
        load_config(music=tmp_path / "music")

    told = " ".join([raised.value.what, *(problem.key for problem in raised.value.problems)])
    assert variable.split("__", maxsplit=1)[0].removeprefix("MELWATCH_").lower() in told.lower()


@pytest.mark.parametrize(
    ("shares", "is_right"),
    [
        ("train = 0.7", True),
        ("train = 0.8\nvalidate = 0.1\ntest = 0.1", True),
        ("train = 0.3333333\nvalidate = 0.3333333\ntest = 0.3333334", True),
        ("train = 0.6", False),
        ("train = 0.8\nvalidate = 0.2\ntest = 0.2", False),
        ("train = 0.7\nvalidate = 0.0\ntest = 0.3", False),
        ("train = 1.0\nvalidate = 0.0\ntest = 0.0", False),
        ("train = 1.2\nvalidate = -0.4\ntest = 0.2", False),
    ],
)
def test_shares_are_positive_and_add_up_to_one(
    configure: Configure, tmp_path: Path, shares: str, *, is_right: bool
) -> None:
    """All songs are placed, and no split is to stay empty."""
    file = configure(f"[splits]\n{shares}")

    if is_right:
        assert sum(load_config(file, music=tmp_path / "music").splits.shares.values()) == pytest.approx(1)
    else:
        assert any(key.startswith("splits") for key in problems_of(file, music=tmp_path / "music"))


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([".mp3"], (".mp3",)),
        ([".MP3", ".Flac"], (".mp3", ".flac")),
        ([".ogg", ".opus", ".wav"], (".ogg", ".opus", ".wav")),
        (["mp3"], None),
        ([".m4a"], None),
        ([""], None),
    ],
)
def test_extensions_are_those_that_can_be_read(
    configure: Configure, tmp_path: Path, given: list[str], taken: tuple[str, ...] | None
) -> None:
    """Extensions count without regard to case; one that cannot be decoded is refused."""
    file = configure(f"[library]\nextensions = {given}")

    if taken is None:
        assert "library.extensions.0" in problems_of(file, music=tmp_path / "music")
    else:
        assert load_config(file, music=tmp_path / "music").library.extensions == taken


def test_every_section_has_a_default_but_the_folders() -> None:
    """Only where the music is and where the dataset goes has to be known."""
    assert {name for name, field in Config.model_fields.items() if field.is_required()} == {"library", "dataset"}


@pytest.mark.parametrize(
    ("toml", "key", "what"),
    [
        ('engine = "dask"', "workers", "needs the scheduler's address"),
        ('engine = "dask"\ndask = "scheduler:8786"', "workers.dask", "is not the address of a Dask scheduler"),
        ('engine = "dask"\ndask = "tcp://scheduler"', "workers.dask", "is not the address of a Dask scheduler"),
        ('engine = "spark"', "workers.engine", "Input should be 'local' or 'dask'"),
    ],
)
def test_an_engine_needs_what_it_needs(configure: Configure, tmp_path: Path, toml: str, key: str, what: str) -> None:
    """A cluster, where it is."""
    assert what in problems_of(configure(f"[workers]\n{toml}"), music=tmp_path / "music")[key]


def test_a_cluster_needs_dask(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is an extra; an address alone, for later, needs nothing."""
    file = configure('[workers]\nengine = "dask"\ndask = "tls://scheduler:8786"')
    assert load_config(file, music=tmp_path / "music").workers.dask == "tls://scheduler:8786"
    monkeypatch.setattr("melwatch.config.settings.find_spec", lambda _: None)
    assert problems_of(file, music=tmp_path / "music") == {"workers.engine": "Dask is not installed"}
    other = configure('[workers]\ndask = "tcp://scheduler:8786"')
    assert load_config(other, music=tmp_path / "music").workers.engine == "local"
