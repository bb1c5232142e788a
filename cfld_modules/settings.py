"""Settings as dataclasses, read from YAML: every mistake is an error that names the key."""

import difflib
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

from .errors import SettingsError, short, shortened

Settings = TypeVar("Settings")




def read_settings(file: Path, kind: type[Settings], changes: Sequence[str] = ()) -> Settings:
    """The YAML file as a dataclass `kind`, with nested dataclasses, tuples, Literals, paths and numbers.

    Where several dataclasses may stand, the key `format` says which.

    Args:
        changes: of single settings, such as `training.steps=100`, the value as YAML.

    Raises:
        SettingsError: for a key that is no setting, is missing, or has a value of the wrong kind.
    """
    try:
        content = _parse_yaml(file.read_bytes().decode("utf-8-sig"))
    except ValueError as error:
        why = shortened(str(error), 160)
        raise SettingsError(f"'{file}' is no YAML in UTF-8 ({why}); configs/ has some that are") from error
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

    def plain(value: object) -> object:
        if isinstance(value, Mapping):
            return {key: plain(entry) for key, entry in value.items()}
        if isinstance(value, tuple | list):
            return [plain(entry) for entry in value]
        return str(value) if isinstance(value, Path) else value

    return {key: plain(value) for key, value in asdict(settings).items()}


def _value(content: Any, kind: Any, key: str) -> Any:
    if is_dataclass(kind):
        return _dataclass(content, kind, key)
    origin, options = typing.get_origin(kind), typing.get_args(kind)
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
        return _path_of(content, key)
    if kind is float and not isinstance(content, bool):
        try:
            return float(content)  # also "1e-4", which YAML takes for a text
        except (TypeError, ValueError, OverflowError):
            pass
    elif isinstance(content, kind) and (kind is bool or not isinstance(content, bool)):
        return content
    names = {Path: "a path", float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise SettingsError(f"{key}: expected {names[kind]}, got {short(content)}")


def _path_of(content: str, key: str) -> Path:
    try:
        valid = b"\0" not in os.fsencode(content)
    except UnicodeEncodeError:
        valid = False
    if not valid:
        raise SettingsError(f"{key}: no file can be called {short(content)}")
    return Path(content)


def _dataclass(content: Any, kind: Any, key: str) -> Any:
    if not isinstance(content, Mapping):
        raise SettingsError(f"{key or 'the file'}: expected settings, got {short(content)}")
    hints = typing.get_type_hints(kind)
    for name in content:
        if name not in hints:
            close = difflib.get_close_matches(name if isinstance(name, str) else short(name), hints, 1)
            meant = f"; is {close[0]} meant?" if close else ""
            raise SettingsError(f"{_path(key, name)}: no such setting{meant} There are {', '.join(hints)}.")
    for field in fields(kind):
        if field.name not in content and _required(field):
            raise SettingsError(f"{_path(key, field.name)}: this setting is missing")
    return kind(**{name: _value(entry, hints[name], _path(key, name)) for name, entry in content.items()})


def _required(field: Field) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _path(key: str, name: object) -> str:
    shown = name if isinstance(name, str) and len(name) < 80 else short(name)
    return f"{key}.{shown}" if key else shown
