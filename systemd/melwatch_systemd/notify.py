"""The daemon's words to systemd: datagrams to the socket that it names, as sd_notify(3) lays down."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

log = logging.getLogger(__name__)

_SOCKET, _WATCHDOG, _WATCHED_PROCESS = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_FEEDS_AN_INTERVAL = 4
_LONGEST_STATUS = 500


class Notify:
    """systemd, as the supervisor that `melwatch.daemon.face.Face` talks to."""

    def __init__(
        self, address: str, *, watchdog_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # An address that begins with @ is an abstract one: no file, a zero byte in front.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._clock = clock
        self._sentence: str | None = None
        self._fed_s = float("-inf")

    @property
    def is_watched(self) -> bool:
        """Whether systemd ends a daemon that falls silent (`WatchdogSec=`)."""
        return self._watchdog_s is not None

    def ready(self) -> None:
        """Let whoever waits for the start go on."""
        log.info("melwatch is running under systemd")
        self._send("READY=1")

    def progress(self, sentence: str) -> None:
        """Show what is new; feed the watchdog well before its time is over, but not at each round."""
        words = []
        if sentence != self._sentence:
            self._sentence = sentence
            words.append(f"STATUS={' '.join(sentence.split())[:_LONGEST_STATUS]}")
        now_s = self._clock()
        if self._watchdog_s is not None and now_s - self._fed_s >= self._watchdog_s / _FEEDS_AN_INTERVAL:
            self._fed_s = now_s
            words.append("WATCHDOG=1")
        if words:
            self._send(*words)

    def stopping(self) -> None:
        """Say that it is not a crash."""
        log.info("Stopping")
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *words: str) -> None:
        """Send one datagram; that systemd does not take it is no reason to end."""
        try:
            family = socket.AF_UNIX  # type: ignore[attr-defined, unused-ignore]  # Windows has none
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(words).encode("utf-8", "backslashreplace"), self._address)
        except OSError as error:
            log.warning("systemd could not be told %s: %s", words[0], error)


def take_notify(environment: MutableMapping[str, str]) -> Notify | None:
    """Return systemd as a face where it has started this process, else None.

    What it says in the environment is meant for this process alone, so it is taken out for those
    that this one starts.
    """
    address = environment.pop(_SOCKET, None)
    interval_us = environment.pop(_WATCHDOG, None)
    process = environment.pop(_WATCHED_PROCESS, None)
    if not address:
        return None
    is_ours = process is None or process == str(os.getpid())
    watchdog_s = int(interval_us) / 1e6 if interval_us and interval_us.isdecimal() and is_ours else None
    return Notify(address, watchdog_s=watchdog_s)
