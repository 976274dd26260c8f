"""Defaults that the configuration and the engine share."""

from __future__ import annotations

from typing import Final

DEFAULT_MODEL: Final = "MIT/ast-finetuned-audioset-10-10-0.4593"
"""The model whose parameters are the extractor's own defaults, so that no network is needed."""
