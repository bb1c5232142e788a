"""Messages for people: short, whatever somebody fed in."""

import reprlib

LONGEST_MESSAGE = 500


def shortened(message: str) -> str:
    """The message on one line of at most 500 characters; its middle is left out, not its subject or the remedy."""
    message = " ".join(message.split())
    half = (LONGEST_MESSAGE - len(" ... ")) // 2
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:half]} ... {message[-half:]}"


def short(value: object) -> str:
    """A value as Python writes it, in some dozens of letters whatever its size."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
