"""Secrets in what people type, left out of what is shown or kept. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ACCOUNT = re.compile(r"://(?:[^/@\s:]*:\S*@|[^/\s]*@)")
"""Keys for buckets have slashes in them: behind a colon all is left out up to the last `@`, rather than too little."""
_SIGNATURE = re.compile(r"(://[^\s?]*\?)\S+")
_OPTION = "--storage-option"


def without_password(text: str) -> str:
    """Return a URL, or a sentence with some, as it may be shown."""
    return _SIGNATURE.sub(r"\1...", _ACCOUNT.sub("://", text))


def without_secrets(arguments: Iterable[str]) -> Iterator[str]:
    """Yield the words of a command as they may be shown."""
    previous = ""
    for word in arguments:
        name, equals, value = word.partition("=")
        if previous == _OPTION:
            yield f"{name}=..."
        elif name == _OPTION and equals:
            yield f"{name}={value.partition('=')[0]}=..."
        else:
            yield without_password(word)
        previous = word
