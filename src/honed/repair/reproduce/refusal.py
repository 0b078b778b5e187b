"""Why something that was captured cannot be made again."""


class NotRebuilt(Exception):
    """What a source of exceptions told of a value, or a call, is not enough to make it again."""
