"""What a recipe is made of, and where its parameters come from."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from melwatch.errors import ConfigError
from melwatch.spectrogram import recipe as recipe_module
from melwatch.spectrogram.recipe import DEFAULT_MODEL, FRONT_END_REVISION, Recipe
from melwatch.spectrogram.windows import WindowPolicy

if TYPE_CHECKING:
    from pathlib import Path

SPEECH_COMMANDS = {
    "do_normalize": True,
    "feature_extractor_type": "ASTFeatureExtractor",
    "feature_size": 1,
    "max_length": 128,
    "mean": -6.845978,
    "num_mel_bins": 128,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": False,
    "sampling_rate": 16000,
    "std": 5.5654526,
}
"""The parameters of MIT/ast-finetuned-speech-commands-v2, as its preprocessor_config.json has."""

OTHERS = [
    Recipe(sampling_rate_hz=8_000),
    Recipe(mel_bins=64),
    Recipe(max_frames=512),
    Recipe(do_normalize=False),
    Recipe(mean=-4.0),
    Recipe(std=4.0),
    Recipe(windows=WindowPolicy(length_s=5.12)),
    Recipe(windows=WindowPolicy(per_track=3)),
    Recipe(dtype="float16"),
    Recipe(front_end_revision=FRONT_END_REVISION + 1),
]


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """Make a model's folder as `save_pretrained` leaves it."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SPEECH_COMMANDS))
    return tmp_path


def problem_keys(error: ConfigError) -> list[str]:
    """List the keys that a person would have to change."""
    return [problem.key for problem in error.problems]


def test_json_there_and_back_is_the_same_recipe() -> None:
    """A recipe survives its JSON, its id and its revision with it."""
    for recipe in [Recipe(), *OTHERS]:
        again = Recipe.from_json(recipe.to_json())
        assert again == recipe
        assert again.id == recipe.id


def test_id_is_16_hex_digits_and_stays() -> None:
    """The default recipe's id is fixed: another one means that libraries are extracted anew."""
    assert Recipe().id == "a088891874be3b3e"


def test_every_field_is_part_of_the_id() -> None:
    """Recipes that differ in one field differ in their ids."""
    ids = {recipe.id for recipe in [Recipe(), *OTHERS]}

    assert len(ids) == 1 + len(OTHERS)


def test_default_model_is_the_defaults_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped model needs neither network nor transformers."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))

    assert Recipe.load(DEFAULT_MODEL) == Recipe()


def test_folder_and_its_file_are_the_same_recipe(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's parameters are read from its folder, or its file, without transformers."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    windows = WindowPolicy(length_s=1.0, per_track=2)

    by_folder = Recipe.load(str(model_folder), windows, "float16")
    by_file = Recipe.load(str(model_folder / "preprocessor_config.json"), windows, "float16")

    assert by_folder == by_file
    assert by_folder == Recipe(max_frames=128, mean=-6.845978, std=5.5654526, windows=windows, dtype="float16")


def test_whole_numbers_for_mean_and_std_change_nothing(tmp_path: Path) -> None:
    """`0` and `0.0` in a model's file are the same recipe with the same id."""
    ids = []
    for mean, std in [(0, 1), (0.0, 1.0)]:
        file = tmp_path / "parameters.json"
        file.write_text(json.dumps({"mean": mean, "std": std}))
        ids.append(Recipe.load(str(file)).id)

    assert ids[0] == ids[1]


def test_missing_parameters_are_the_extractors_defaults(tmp_path: Path) -> None:
    """What a model's file leaves out has the default that ASTFeatureExtractor gives it."""
    (tmp_path / "preprocessor_config.json").write_text('{"max_length": 512}')

    assert Recipe.load(str(tmp_path)) == Recipe(max_frames=512)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"feature_extractor_type": "Wav2Vec2FeatureExtractor"}',
        '{"num_mel_bins": 0}',
        '{"num_mel_bins": true}',
        '{"max_length": 102.4}',
        '{"sampling_rate": "16000"}',
        '{"std": 0}',
        '{"std": NaN}',
        '{"mean": null}',
        '{"mean": Infinity}',
        '{"do_normalize": 1}',
    ],
)
def test_bad_parameters_are_a_config_error(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with a model's file is told under the key `spectrogram.model`."""
    (tmp_path / "preprocessor_config.json").write_text(text)

    with pytest.raises(ConfigError) as caught:
        Recipe.load(str(tmp_path))

    assert problem_keys(caught.value) == ["spectrogram.model"]


def test_folder_without_parameters_is_a_config_error(tmp_path: Path) -> None:
    """A folder that is no model's says which file it lacks."""
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        Recipe.load(str(tmp_path))

    assert "preprocessor_config.json" in caught.value.hint


def test_all_problems_are_named_at_once() -> None:
    """Three wrong values are three problems in one error, each with its own key."""
    with pytest.raises(ConfigError) as caught:
        Recipe(mel_bins=0, windows=WindowPolicy(length_s=0.001, per_track=0), dtype="int8")

    assert sorted(problem_keys(caught.value)) == [
        "dataset.dtype",
        "spectrogram.model",
        "spectrogram.window_s",
        "spectrogram.windows_per_track",
    ]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit('Repo not found')", "Repo not found"),
        ("import sys; sys.exit(7)", "exit status 7"),
        ("import no_such_module", "no_such_module"),
        ("print('chatter')", "not JSON"),
    ],
)
def test_failing_transformers_is_a_config_error(program: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transformers cannot tell a model's parameters, its last word is passed on."""
    monkeypatch.setattr(recipe_module, "_ASK_TRANSFORMERS", program)

    with pytest.raises(ConfigError, match=reason) as caught:
        Recipe.load("no-such/model")

    assert problem_keys(caught.value) == ["spectrogram.model"]


def test_slow_transformers_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that never answers is given up."""
    monkeypatch.setattr(recipe_module, "_ASK_TRANSFORMERS", "import time; time.sleep(60)")
    monkeypatch.setattr(recipe_module, "_ASK_TIMEOUT_S", 0.2)

    with pytest.raises(ConfigError, match="no answer"):
        Recipe.load("no-such/model")


def test_answer_is_the_last_line_whatever_is_printed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Libraries that greet on stdout do not disturb."""
    program = f"print('hello'); print({json.dumps(json.dumps(SPEECH_COMMANDS))})"
    monkeypatch.setattr(recipe_module, "_ASK_TRANSFORMERS", program)

    assert Recipe.load("some/model").max_frames == SPEECH_COMMANDS["max_length"]


def test_transformers_answers_what_the_folder_says(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process, with the real transformers, gives the same recipe as reading the file."""
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    text = recipe_module._ask_transformers(str(model_folder))

    assert {**json.loads(text), **SPEECH_COMMANDS} == json.loads(text)


def test_loading_a_recipe_imports_no_transformers() -> None:
    """The resident process stays light."""
    program = (
        "import sys; from melwatch.spectrogram.recipe import Recipe; Recipe.load(); "
        "sys.exit(' '.join({'transformers', 'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    )

    child = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert child.stderr.strip() == ""


def test_replacing_a_field_is_checked_too() -> None:
    """There is no way around the checks."""
    with pytest.raises(ConfigError):
        replace(Recipe(), std=-1.0)
