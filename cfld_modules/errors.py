"""The pack's errors, whose messages have a bounded length whatever the input was."""

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


class CheckpointError(ValueError):
    """A file is not the CFLD checkpoint it should be; says what was found and what to do, in bounded length."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


class SettingsError(ValueError):
    """A configuration cannot be used; names the key, the value it got and what may stand there."""


class StepsError(ValueError):
    """A scheduler cannot sample in so many steps; says which numbers near it can be taken."""


class PhotographError(OSError):
    """A picture file cannot be used; names it, and says what is wrong with it."""


class DataError(ValueError):
    """A data set cannot be read; names the file, the line, what was found there and what to do."""


class PoseError(ValueError):
    """Key points that cannot be read. Says what was found, where (frame, person, array) and what to do about it."""


class DetectionError(ValueError):
    """Nothing can be detected: a package or a file is missing or wrong. Says which, and what to do."""


class MissingDetectorError(DetectionError):
    """A detector's file or package is not there, so that another may be taken."""
