"""What SECURITY.md promises: no code out of data, nothing that everybody may write."""

from __future__ import annotations

import ast
import os
import pickle
import stat
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("melwatch", "melwatch_service", "melwatch_systemd", "melwatch_winservice")
LOADERS = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "imp", "runpy"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "np.load", "numpy.load", "torch.load"}
OVER_PIPES = {"melwatch_service/desk.py": ["pickle"], "melwatch_service/labour.py": ["pickle"]}
"""The status page and a process that it starts itself speak as multiprocessing does."""
WITH_DASK = {"melwatch/cluster.py": ["pickle"], "melwatch/station.py": ["pickle"]}
"""Coordinator and workers of a cluster run what the other one says anyway: SECURITY.md says so."""
ARGUMENTS = {"shell", "allow_pickle", "trust_remote_code"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of melwatch as it is installed."""
    for package in PACKAGES:
        spec = util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        for file in Path(spec.origin).parent.rglob("*.py"):
            yield f"{package}/{file.name}", ast.parse(file.read_text(encoding="utf-8"))


def dangers(tree: ast.AST) -> Iterator[str]:
    """Yield what in a module could run code that it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in LOADERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LOADERS:
            yield node.module or ""
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in CALLS:
                yield ast.unparse(node.func)
            yield from (word.arg for word in node.keywords if word.arg in ARGUMENTS)


def test_nothing_loads_code_from_data() -> None:
    """No pickle, no evaluation, no YAML objects, no shell, no code of models or datasets."""
    assert {name: found for name, tree in sources() if (found := list(dangers(tree)))} == OVER_PIPES | WITH_DASK


@pytest.mark.parametrize(
    "code", ["import pickle", "from yaml import load", "eval(x)", "np.load(f)", "run(c, shell=True)", "os.system(x)"]
)
def test_what_could_load_code_would_be_found(code: str) -> None:
    """The test above can fail."""
    assert list(dangers(ast.parse(code)))


class Bomb:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch canary",)


PLANTED = "import os; os.system('touch canary')"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    return rig


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_code_in_the_dataset_folder_is_never_run(rig: Rig, tmp_path: Path) -> None:
    """Neither scripts that `datasets` once looked for, nor modules, nor pickles; by no command and no reader."""
    rig.run("sync")
    names = ("music_lib.py", "dataset.py", "datasets.py", "numpy.py", "sitecustomize.py", "__init__.py", "README.py")
    for folder in (rig.dataset, rig.dataset / "music_lib", rig.dataset / "music_lib" / "train", rig.state, rig.music):
        for name in names:
            (folder / name).write_text(PLANTED, encoding="utf-8")
        for name in ("state.pkl", "cache.pickle", "dataset_infos.json", "extra.arrow"):
            (folder / name).write_bytes(pickle.dumps(Bomb()))
    (rig.music / "Rock" / "new.mp3").write_bytes(pickle.dumps(Bomb()))
    read = "import melwatch, sys; print(melwatch.load(sys.argv[1])['test'][0]['labels'])"
    for folder in (rig.dataset / "music_lib", rig.music):
        commands = [
            [sys.executable, "-P", *rig.command("sync")[1:]],
            [sys.executable, "-P", *rig.command("verify", "--read-data")[1:]],
            [sys.executable, "-P", "-c", read, str(rig.dataset)],
        ]
        for command in commands:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("canary"))


def test_a_pickle_in_place_of_our_own_files_is_damage(rig: Rig, tmp_path: Path) -> None:
    """What should be JSON or SQLite is only ever read as that."""
    rig.run("sync")
    current, manifest = rig.dataset / "music_lib" / "current.json", rig.state / "manifest.sqlite3"
    good = current.read_bytes()
    current.write_bytes(pickle.dumps(Bomb()))
    rig.run("sync")
    assert current.read_bytes() == good
    manifest.write_bytes(pickle.dumps(Bomb()))
    rig.run("sync", expect=4)
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists, which folders inherit")
@pytest.mark.parametrize(("umask", "state_mode"), [(0o000, 0o770), (0o022, 0o750), (0o077, 0o700)])
def test_nothing_is_writable_for_everybody(rig: Rig, umask: int, state_mode: int) -> None:
    """Whatever the umask allows; what melwatch knows cannot even be read by everybody, the dataset can."""
    done = subprocess.run(rig.command("sync"), umask=umask, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    made = [path for top in (rig.dataset, rig.state) for path in (top, *top.rglob("*"))]
    assert not [path for path in made if path.stat().st_mode & stat.S_IWOTH]
    assert stat.S_IMODE(rig.state.stat().st_mode) == state_mode
    current = (rig.dataset / "music_lib" / "current.json").stat().st_mode
    assert bool(current & stat.S_IROTH) == (umask & 0o004 == 0)
