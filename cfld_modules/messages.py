"""Messages for people: short, whatever somebody fed in."""

import reprlib

LONGEST_MESSAGE = 500
LONGEST_VALUE = 120


def shortened(message: str, longest: int = LONGEST_MESSAGE) -> str:
    """The message on one line of so many characters; its middle is left out, not its subject or the remedy."""
    message = " ".join(message.split())
    half = (longest - len(" ... ")) // 2
    return message if len(message) <= longest else f"{message[:half]} ... {message[-half:]}"


def short(value: object) -> str:
    """A value as Python writes it, in at most 120 letters, however large: an alias in YAML can stand for gigabytes."""
    try:
        return shortened(reprlib.repr(value), LONGEST_VALUE)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
