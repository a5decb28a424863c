"""Panels that answer as their documents say, for drivers that ask: one file for each kind, each with a class Peer."""
