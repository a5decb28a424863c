"""GStreamer's bindings with their versions chosen: the one place that imports gi (Debian packages)."""

from __future__ import annotations

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  (after the versions were chosen)

__all__ = ["GLib", "Gst", "GstRtsp", "GstRtspServer"]
