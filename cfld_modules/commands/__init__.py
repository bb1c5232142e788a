"""The commands, and what they share: precisions by name, and which option is to blame for an error."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class CommandError(Exception):
    """A mistake of the user's: names the option, what it got and the remedy."""


@contextmanager
def option(name: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn the expected errors inside into a CommandError that names the option."""
    try:
        yield
    except errors as error:
        raise CommandError(f"{name}: {error}") from error


def number(kind: str, what: str = "number") -> Callable[[str], Any]:
    """What argparse reads `what` with: a number of a type of `settings`, by name, with the bounds that it has there."""

    def read(text: str) -> Any:
        from .. import settings  # here, since it takes pydantic

        try:
            return settings.bounded(text, getattr(settings, kind))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}' is no {what}; {error}") from error

    return read


def torch_dtype(name: str) -> "torch.dtype":
    """A key of `DTYPES` as torch's dtype; torch is imported here, not before a command runs."""
    import torch

    return getattr(torch, DTYPES[name])
