"""Drivers touch the world: cameras, serial lines, ffmpeg, the host. They know their device and nothing of our house."""
