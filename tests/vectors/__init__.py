"""Given vectors of the panel drivers, as data: one file for each kind."""
