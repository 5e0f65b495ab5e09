"""Descriptions: frozen dataclasses that say what is wanted and that files hold as JSON.

Layers, optimizers, schedules and regularizers are four families of them. The base of a family names
itself, and a kind is in its family by being a subclass of it:

    class Schedule(Description, family="schedule"): ...

    @dataclass(frozen=True)
    class StepDecay(Schedule): ...        # known to Schedule.from_dict from here on

A class that says `kind=False` is what some kinds share, and no kind itself.
"""

from __future__ import annotations

import dataclasses
from abc import ABC
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from nncore.arguments import check_int, check_number
from nncore.habits import OF_DESCRIPTION, refuse_arguments

D = TypeVar("D", bound="Description")


class Description(ABC):
    """Base of the families; the concrete kinds are frozen dataclasses.

    Attributes
    ----------
    family : str
        What the kinds are, in messages: "unknown schedule 'Wave'".
    later_fields : frozenset of str
        Fields that a file may lack, as those do that are older than the field. Each has a default,
        and where it has it, it is not written either, so that an older nncore can read the file.
        A class adds its own to those of its bases.
    nested : mapping of str to a family
        Fields that hold descriptions, or lists of them.
    """

    family: ClassVar[str]
    later_fields: ClassVar[frozenset[str]] = frozenset()
    nested: ClassVar[Mapping[str, type[Description]]] = {}
    _kinds: ClassVar[dict[str, type[Description]]]

    if not TYPE_CHECKING:  # which knows the fields of each kind

        def __new__(cls, *args: object, **kwargs: object) -> Description:
            """Before the fields are looked at: arguments that others have are answered."""
            foreign = OF_DESCRIPTION.keys() & kwargs.keys()
            if foreign and not foreign <= {one.name for one in dataclasses.fields(cls)}:
                refuse_arguments(f"nn.{cls.__name__}", sorted(foreign), (), OF_DESCRIPTION)
            return super().__new__(cls)

    def __init_subclass__(cls, *, family: str | None = None, kind: bool = True) -> None:
        super().__init_subclass__()
        bases = [vars(base).get("later_fields", frozenset()) for base in cls.__mro__]
        cls.later_fields = frozenset().union(*bases)
        if family is not None:
            cls.family, cls._kinds = family, {}
        elif kind:
            cls._register()

    @classmethod
    def _register(cls) -> None:
        other = cls._kinds.get(cls.__name__)
        # The same class once more is one that was edited, in a notebook or a shell.
        if other is not None and _place(other) != _place(cls):
            raise TypeError(
                f"{_place(cls)}: there is a {cls.family} {cls.__name__} already, {_place(other)}; "
                "choose another name, since files know kinds by their names"
            )
        cls._kinds[cls.__name__] = cls

    @classmethod
    def kinds(cls: type[D]) -> Mapping[str, type[D]]:
        """All kinds of the family by name, those included that are defined later."""
        return MappingProxyType(cls._kinds)  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls: type[D], description: Mapping[str, Any]) -> D:
        """The one of this family that `to_dict` described.

        Raises
        ------
        ValueError, TypeError
            There is no such kind, or a field is missing, unknown or invalid.
        """
        if not isinstance(description, Mapping):
            raise TypeError(f"{description!r} is no description of a {cls.family}")
        fields = dict(description)
        name = fields.pop("type", None)
        kinds = cls.kinds()
        if not isinstance(name, str) or name not in kinds:
            raise ValueError(f"unknown {cls.family} {name!r}; known: {', '.join(kinds)}")
        kind = kinds[name]
        known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        later = kind.later_fields
        if not known - later <= fields.keys() <= known:
            others = f" and may have others of {sorted(later)}" if later else ""
            raise ValueError(
                f"{name} must have the fields {sorted(known - later)}{others}, not {sorted(fields)}"
            )
        for field, of in kind.nested.items():
            if field in fields:
                fields[field] = _read(of, fields[field])
        return kind(**fields)

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-ready values; `from_dict` reads it back."""
        described: dict[str, Any] = {"type": type(self).__name__}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name not in self.later_fields or value != field.default:
                described[field.name] = _written(value) if field.name in self.nested else value
        return described

    # What __post_init__ makes of the fields; the messages name the kind and the field.

    def _set(self, field: str, value: object) -> None:
        # The only way to normalise a field of a frozen dataclass.
        object.__setattr__(self, field, value)

    def _check_number(self, field: str, **limits: float) -> None:
        where = f"{type(self).__name__}: {field}"
        self._set(field, check_number(where, getattr(self, field), **limits))

    def _check_int(self, field: str, low: int) -> None:
        self._set(field, check_int(f"{type(self).__name__}: {field}", getattr(self, field), low))

    def _check_flag(self, field: str) -> None:
        value = getattr(self, field)
        if not isinstance(value, bool):
            raise TypeError(f"{type(self).__name__}: {field} must be True or False, not {value!r}")


def _place(kind: type[Description]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _read(family: type[Description], value: Any) -> Any:
    """Descriptions out of JSON, in lists of any depth; other values are for the kind to judge."""
    if isinstance(value, list):
        return [_read(family, entry) for entry in value]
    return family.from_dict(value) if isinstance(value, Mapping) else value


def _written(value: Any) -> Any:
    if isinstance(value, Description):
        return value.to_dict()
    return [_written(entry) for entry in value] if isinstance(value, list | tuple) else value
