"""How often a codec is asked for a poll: at once when it may speak, never faster than a line can carry."""

from __future__ import annotations

from drivers.types import Codec

POLL_GAP_S = 0.02  # at most 50 polls a second, whatever a codec asks for


class Pace:
    """Bounds the polls of one line. No clock of its own: the caller says what time it is."""

    def __init__(self, gap_s: float = POLL_GAP_S) -> None:
        self._gap_s = gap_s
        self._polled_mono_s = float("-inf")

    def wait_s(self, mono_s: float, longest_s: float) -> float:
        """How long to listen before the next poll may go out: `longest_s`, less when the gap ends before."""
        left_s = self._polled_mono_s + self._gap_s - mono_s
        return min(left_s, longest_s) if left_s > 0 else longest_s

    def poll(self, codec: Codec, mono_s: float) -> bytes:
        """What the codec wants to send now; empty while the gap after the poll before lasts."""
        if mono_s - self._polled_mono_s < self._gap_s:
            return b""
        poll = codec.tick(mono_s)
        if poll:
            self._polled_mono_s = mono_s
        return poll
