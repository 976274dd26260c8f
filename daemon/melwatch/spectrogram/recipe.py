"""Everything that shapes the numbers of a spectrogram, as one value with an id.

How the numbers are computed lives in `logmel`; here is only what they depend on, and where the
parameters of a model come from.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from melwatch.config.defaults import DEFAULT_MODEL
from melwatch.errors import ConfigError, ConfigProblem
from melwatch.spectrogram.windows import WindowPolicy
from melwatch.track import RecipeId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FRONT_END_REVISION: Final = 1
"""Raised whenever decoding, resampling or `logmel` gives other numbers for the same parameters."""

SHORTEST_WINDOW_SAMPLES: Final = 400
"""One frame: a window must be able to hold at least that."""

DTYPES: Final = ("float32", "float16")

_MODEL_KEY: Final = "spectrogram.model"
_EXTRACTOR: Final = "ASTFeatureExtractor"
_CONFIG_NAME: Final = "preprocessor_config.json"
_ASK_TIMEOUT_S: Final = 300

# Field of a recipe <- name in preprocessor_config.json.
_PARAMETERS: Final = {
    "sampling_rate_hz": "sampling_rate",
    "mel_bins": "num_mel_bins",
    "max_frames": "max_length",
    "do_normalize": "do_normalize",
    "mean": "mean",
    "std": "std",
}

# AutoFeatureExtractor, not ASTFeatureExtractor: the latter takes any model's file for its own.
_ASK_TRANSFORMERS: Final = """
import json, sys
from transformers import AutoFeatureExtractor
print("\\n" + json.dumps(AutoFeatureExtractor.from_pretrained(sys.argv[1]).to_dict()))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a spectrogram's numbers depend on besides the sound; equal ids mean equal numbers."""

    sampling_rate_hz: int = 16_000
    mel_bins: int = 128
    max_frames: int = 1024
    do_normalize: bool = True
    mean: float = -4.2677393
    std: float = 4.5689974
    windows: WindowPolicy = field(default_factory=WindowPolicy)
    dtype: str = "float32"
    front_end_revision: int = FRONT_END_REVISION

    def __post_init__(self) -> None:
        """Refuse what no spectrogram can be made from, naming every problem at once."""
        problems = tuple(_problems(self))
        if problems:
            what = "; ".join(problem.what for problem in problems)
            raise ConfigError(f"No spectrograms can be made like this: {what}.", problems=problems)

    @property
    def id(self) -> RecipeId:
        """First 16 hex digits of the SHA-256 of the canonical JSON."""
        return RecipeId(hashlib.sha256(self.to_json().encode()).hexdigest()[:16])

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and mel bins of one spectrogram."""
        return self.max_frames, self.mel_bins

    @property
    def bytes_per_track(self) -> int:
        """Bytes of all the spectrograms of one track."""
        return self.windows.per_track * self.max_frames * self.mel_bins * (2 if self.dtype == "float16" else 4)

    @property
    def bytes_per_window(self) -> int:
        """Bytes of one spectrogram."""
        return self.bytes_per_track // self.windows.per_track

    @property
    def is_past(self) -> bool:
        """Whether it is of an older front end, so that nothing more can be made by it."""
        return self.front_end_revision != FRONT_END_REVISION

    def starts_s(self, duration_s: float) -> tuple[float, ...]:
        """Where the windows of a song begin, in seconds, given its length at the recipe's sampling rate."""
        samples = round(duration_s * self.sampling_rate_hz)
        return tuple(start / self.sampling_rate_hz for start in self.windows.starts(samples))

    def to_json(self) -> str:
        """Canonical: keys sorted, no blanks, so that equal recipes are equal strings."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Give back the recipe that `to_json` wrote, with the revision it was written under."""
        return cls.of_values(json.loads(text))

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Recipe:
        """Give back the recipe whose JSON holds these values."""
        return cls(**{**values, "windows": WindowPolicy(**values["windows"])})

    def facts(self) -> dict[str, object]:
        """Return everything that it says, by name."""
        values = asdict(self)
        return {**values.pop("windows"), **values}

    @classmethod
    def load(
        cls,
        model: str = DEFAULT_MODEL,
        windows: WindowPolicy | None = None,
        dtype: str = "float32",
    ) -> Recipe:
        """Take the extractor's parameters from a model: its name, its folder or its JSON file.

        The default model costs nothing. A folder or file is read as JSON. Any other name is asked
        of transformers in a child process, so that this one stays light.
        """
        windows = windows or WindowPolicy()
        if model == DEFAULT_MODEL:
            return cls(windows=windows, dtype=dtype)
        path = Path(model).expanduser()
        text = _read_parameters(path) if path.exists() else _ask_transformers(model)
        return _from_parameters(_parse_parameters(text, model), model, windows, dtype)


def _problems(recipe: Recipe) -> Iterator[ConfigProblem]:
    """Name everything that is wrong with a recipe, each with the key that a person would change."""
    for name in ("sampling_rate_hz", "mel_bins", "max_frames", "front_end_revision"):
        value = getattr(recipe, name)
        if not _is_whole(value) or value < 1:
            yield _model_problem(name, value, "a whole number above 0")
    if not isinstance(recipe.do_normalize, bool):
        yield _model_problem("do_normalize", recipe.do_normalize, "true or false")
    if not _is_real(recipe.mean):
        yield _model_problem("mean", recipe.mean, "a number")
    if not _is_real(recipe.std) or recipe.std <= 0:
        yield _model_problem("std", recipe.std, "a number above 0")
    if recipe.dtype not in DTYPES:
        what = f"dtype is {recipe.dtype!r}, but must be one of {', '.join(DTYPES)}"
        yield ConfigProblem(key="dataset.dtype", what=what)
    yield from _window_problems(recipe.windows, recipe.sampling_rate_hz)


def _window_problems(windows: WindowPolicy, rate_hz: int) -> Iterator[ConfigProblem]:
    if not _is_whole(windows.per_track) or windows.per_track < 1:
        what = f"windows_per_track is {windows.per_track!r}, but must be a whole number above 0"
        yield ConfigProblem(key="spectrogram.windows_per_track", what=what)
    if not _is_real(windows.length_s):
        what = f"window_s is {windows.length_s!r}, but must be a number of seconds"
        yield ConfigProblem(key="spectrogram.window_s", what=what)
    elif _is_whole(rate_hz) and windows.window_samples(rate_hz) < SHORTEST_WINDOW_SAMPLES:
        what = (
            f"window_s is {windows.length_s:g}, but a window must hold at least one frame of "
            f"{SHORTEST_WINDOW_SAMPLES} samples at {rate_hz} Hz"
        )
        yield ConfigProblem(key="spectrogram.window_s", what=what)


def _model_problem(name: str, value: object, needed: str) -> ConfigProblem:
    what = f"{_PARAMETERS.get(name, name)} is {value!r}, but must be {needed}"
    return ConfigProblem(key=_MODEL_KEY, what=what)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _from_parameters(parameters: Mapping[str, object], model: str, windows: WindowPolicy, dtype: str) -> Recipe:
    """Make a recipe of what a model's file says; what it leaves out has the extractor's default."""
    extractor = parameters.get("feature_extractor_type", _EXTRACTOR)
    if extractor != _EXTRACTOR:
        raise _model_error(
            f"The model {model} takes its sound through {extractor}, not {_EXTRACTOR}.",
            "Name an Audio Spectrogram Transformer; only those eat log-mel spectrograms.",
        )
    known = {own: parameters[theirs] for own, theirs in _PARAMETERS.items() if theirs in parameters}
    for name in ("mean", "std"):
        value = known.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            known[name] = float(value)
    return Recipe(**known, windows=windows, dtype=dtype)  # type: ignore[arg-type]  # checked there


def _parse_parameters(text: str, model: str) -> dict[str, object]:
    try:
        parameters = json.loads(text)
    except ValueError as error:
        raise _model_error(f"The parameters of {model} are not JSON: {error}.") from error
    if not isinstance(parameters, dict):
        raise _model_error(f"The parameters of {model} are not a JSON object.")
    return parameters


def _read_parameters(path: Path) -> str:
    file = path / _CONFIG_NAME if path.is_dir() else path
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _model_error(
            f"The model's parameters cannot be read: {error}.",
            f"A model's folder needs a {_CONFIG_NAME}.",
        ) from error


def _ask_transformers(model: str) -> str:
    """Have a child process fetch a model's parameters; transformers never enters this process."""
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and program, the name is data
            [sys.executable, "-c", _ASK_TRANSFORMERS, model],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **quiet},
            timeout=_ASK_TIMEOUT_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        reason = _last_line(error.stderr) or f"exit status {error.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_ASK_TIMEOUT_S} s"
    except OSError as error:
        reason = str(error)
    else:
        return _last_line(child.stdout)
    raise _model_error(
        f"The parameters of the model {model} could not be had from transformers: {reason}",
        f"Check its name and the network, or give a folder that holds its {_CONFIG_NAME}.",
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _model_error(what: str, hint: str = "") -> ConfigError:
    return ConfigError(what, hint, (ConfigProblem(key=_MODEL_KEY, what=what, hint=hint),))
