"""Scripts that run inside the sandbox, in the Python of the code that is repaired.

They need the standard library and that Python's pytest, and never import the rest of honed:
``python honed/repair/inside`` starts them, and lines of JSON on stdin and stdout speak to them.
"""
