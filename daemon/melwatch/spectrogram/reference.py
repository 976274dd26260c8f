"""What transformers makes of the same windows; for parity checks in tests and `doctor` only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from melwatch.spectrogram.recipe import Recipe


def reference_log_mel(windows: Sequence[NDArray[np.float32]], recipe: Recipe) -> NDArray[np.float32]:
    """Make what `log_mel` must equal, (len(windows), max_frames, mel_bins) float32.

    Imports transformers and torch when called. Takes torchaudio's `kaldi.fbank` where torchaudio
    is installed, and transformers' own numpy `spectrogram` otherwise.
    """
    from transformers import ASTFeatureExtractor

    extractor = ASTFeatureExtractor(
        sampling_rate=recipe.sampling_rate_hz,
        num_mel_bins=recipe.mel_bins,
        max_length=recipe.max_frames,
        do_normalize=recipe.do_normalize,
        mean=recipe.mean,
        std=recipe.std,
    )
    features = extractor(list(windows), sampling_rate=recipe.sampling_rate_hz, return_tensors="np")
    return np.asarray(features["input_values"], dtype=np.float32)
