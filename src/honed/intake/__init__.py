"""Plug-ins: the wires on which signals come in, one file each."""
