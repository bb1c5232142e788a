"""Settings as dataclasses, read from YAML: every mistake is an error that names the key.

Numbers have bounds as their types say, which commands' arguments share.
"""

import difflib
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import yaml
from pydantic import Field as Bound
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from .errors import SettingsError, short, shortened

Settings = TypeVar("Settings")

MOST = 10**9
Count = Annotated[int, Bound(ge=1, le=MOST)]
CountOrNone = Annotated[int, Bound(ge=0, le=MOST)]
"""How many there are, where there may be none."""
Side = Annotated[int, Bound(ge=8, le=16384)]
"""Pixels of a picture."""
Seed = Annotated[int, Bound(ge=0, lt=2**63)]
Steps = Annotated[int, Bound(ge=1, le=1000)]
Share = Annotated[float, Bound(ge=0, le=1)]
Weight = Annotated[float, Bound(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Bound(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Bound(allow_inf_nan=False)]


def bounded(value: object, kind: Any) -> Any:
    """The value as a type above, also from a text; or ValueError, such as "give a whole number of 1 or more"."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"give {_bounds_in_words(kind)}") from error


def _bounds_in_words(kind: Any) -> str:
    number, *bounds = typing.get_args(kind)
    constraints = [constraint for bound in bounds for constraint in bound.metadata]
    names = ("ge", "gt", "le", "lt", "multiple_of")
    limits = {name: getattr(one, name) for one in constraints for name in names if hasattr(one, name)}
    words = [f"{word} {limits[name]}" for name, word in (("gt", "above"), ("lt", "below")) if name in limits]
    if "ge" in limits and limits.get("le", MOST) != MOST:
        words.insert(0, f"from {limits['ge']} to {limits['le']}")
    elif "ge" in limits:
        words.insert(0, f"of {limits['ge']} or more")
    if "multiple_of" in limits:
        words.append(f"that is a multiple of {limits['multiple_of']}")
    kind_in_words = "a whole number" if number is int else "a number" if "le" in limits else "a finite number"
    return " ".join([kind_in_words, *words])


def read_settings(file: Path, kind: type[Settings], changes: Sequence[str] = ()) -> Settings:
    """The YAML file as a dataclass `kind`, with nested dataclasses, tuples, Literals, paths and numbers.

    Where several dataclasses may stand, the key `format` says which.

    changes: of single settings, such as `training.steps=100`, the value as YAML.

    Raises SettingsError for a key that is no setting, is missing, or has a value of the wrong kind.
    """
    try:
        content = _parse_yaml(file.read_bytes().decode("utf-8-sig"))
    except ValueError as error:
        reason = shortened(str(error), 160)
        raise SettingsError(f"'{file}' is no YAML in UTF-8 ({reason}); configs/ has some that are") from error
    for change in changes:
        _change(content, change)
    try:
        return parse_settings(content, kind)
    except SettingsError as error:
        raise SettingsError(f"'{file}': {error}") from error


def _parse_yaml(text: str) -> Any:
    """Raises ValueError for whatever is no YAML."""
    try:
        return yaml.safe_load(text)
    # Beside its own errors, PyYAML lets through those of numbers, dates and keys that it makes, and of depth.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error


def _change(content: Any, change: str) -> None:
    key, separator, value = change.partition("=")
    *parents, name = key.split(".")
    try:
        for parent in parents:
            content = content.setdefault(parent, {})
        content[name] = _parse_yaml(value)
    except (ValueError, AttributeError, TypeError):
        separator = ""
    if not separator:
        raise SettingsError(f"'{change}' changes no setting; write it as training.steps=100")


def parse_settings(content: object, kind: type[Settings]) -> Settings:
    """What a YAML or JSON reader gave -> dataclass; see `read_settings`."""
    return _value(content, kind, "")


def plain_settings(settings: Any) -> dict:
    """A dataclass as YAML can write it; `parse_settings` takes it back."""
    return to_jsonable_python(settings)


def _value(content: Any, kind: Any, key: str) -> Any:
    if is_dataclass(kind):
        return _dataclass(content, kind, key)
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        value = _value(content, options[0], key)
        try:
            return bounded(value, kind)
        except ValueError as error:
            raise SettingsError(f"{key}: {short(value)} is out of bounds; {error}") from error
    if origin in (Union, types.UnionType):
        return _union(content, options, key)
    if origin is Literal:
        if content is False and "no" in options:
            return "no"  # which YAML takes for false where it is not quoted
        if content not in options:
            raise SettingsError(f"{key}: {short(content)} is none of {', '.join(map(repr, options))}")
        return content
    if origin is tuple:
        if not isinstance(content, list):
            raise SettingsError(f"{key}: expected a list, got {short(content)}")
        return tuple(_value(entry, options[0], f"{key}[{place}]") for place, entry in enumerate(content))
    return _scalar(content, kind, key)


def _union(content: Any, options: tuple, key: str) -> Any:
    if types.NoneType in options:
        kind = next(option for option in options if option is not types.NoneType)
        return None if content is None else _value(content, kind, key)
    formats = {typing.get_args(typing.get_type_hints(option)["format"])[0]: option for option in options}
    format_name = content.get("format") if isinstance(content, Mapping) else None
    if not isinstance(format_name, str) or format_name not in formats:
        raise SettingsError(f"{_path(key, 'format')}: {short(format_name)} is none of {', '.join(formats)}")
    return _dataclass(content, formats[format_name], key)


def _scalar(content: Any, kind: type, key: str) -> Any:
    if kind is Path and isinstance(content, str):
        if not _may_be_path(content):
            raise SettingsError(f"{key}: no file can be called {short(content)}")
        return Path(content)
    if kind is float and not isinstance(content, bool):
        try:
            return float(content)  # also "1e-4", which YAML takes for a text
        except (TypeError, ValueError, OverflowError):
            pass
    elif isinstance(content, kind) and (kind is bool or not isinstance(content, bool)):
        return content
    names = {Path: "a path", float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise SettingsError(f"{key}: expected {names[kind]}, got {short(content)}")


def _may_be_path(content: str) -> bool:
    try:
        return b"\0" not in os.fsencode(content)
    except UnicodeEncodeError:
        return False


def _dataclass(content: Any, kind: Any, key: str) -> Any:
    if not isinstance(content, Mapping):
        raise SettingsError(f"{key or 'the file'}: expected settings, got {short(content)}")
    hints = typing.get_type_hints(kind, include_extras=True)
    for name in content:
        if name not in hints:
            close = difflib.get_close_matches(name if isinstance(name, str) else short(name), hints, 1)
            suggestion = f"; is {close[0]} meant?" if close else ""
            raise SettingsError(f"{_path(key, name)}: no such setting{suggestion} There are {', '.join(hints)}.")
    for field in fields(kind):
        if field.name not in content and field.default is MISSING and field.default_factory is MISSING:
            raise SettingsError(f"{_path(key, field.name)}: this setting is missing")
    return kind(**{name: _value(entry, hints[name], _path(key, name)) for name, entry in content.items()})


def _path(key: str, name: object) -> str:
    shown_name = name if isinstance(name, str) and len(name) < 80 else short(name)
    return f"{key}.{shown_name}" if key else shown_name
