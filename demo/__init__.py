"""The demo: a virtual site, its cameras and panel, and a compressed exam day. Also the tests' virtual devices."""
