"""Upload: a parameter that is a file. Arguments hold a reference; the actor receives this object."""

from __future__ import annotations

import fnmatch
import mimetypes
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from ...formats.quantities import counted
from ..core.errors import JobsError
from . import uploads

#: the JSON Schema format of a file
FORMAT = "file"
#: default content type
UNKNOWN = "application/octet-stream"
_FIELDS = ("id", "name", "size", "content_type")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a job was given. Name and content type are as the uploader stated them."""

    id: str
    name: str
    size: int
    content_type: str

    @classmethod
    def of(cls, source: str | Path | IO[bytes], *, name: str | None = None, content_type: str | None = None) -> Upload:
        """Store a file from disk, or from an open file. Raises OSError, or JobsError if it is too large."""
        if isinstance(source, str | Path):
            with open(source, "rb") as file:
                return cls.of(file, name=name or Path(source).name, content_type=content_type)
        with uploads.draft() as draft:
            shutil.copyfileobj(source, draft)
            return cls.kept(draft, name=name or "file", content_type=content_type)

    @classmethod
    def kept(cls, draft: IO[bytes], *, name: str, content_type: str | None = None) -> Upload:
        """Store the content of a draft from uploads.draft()."""
        name = uploads.clean_name(name)
        id, size, _ = uploads.keep(draft)
        return cls(id, name, size, content_type or mimetypes.guess_type(name)[0] or UNKNOWN)

    @property
    def reference(self) -> dict[str, Any]:
        """Return the reference for arguments, e.g. for send()."""
        return {name: getattr(self, name) for name in _FIELDS}

    @property
    def path(self) -> Path:
        """Path of the file. It is shared by every job with the same content: read or copy it, never change it."""
        return uploads.path(self.id)

    def open(self) -> IO[bytes]:
        """Open the file for reading bytes."""
        return open(self.path, "rb")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        write = core_schema.plain_serializer_function_ser_schema(lambda upload: upload.reference)
        return core_schema.no_info_plain_validator_function(_read, serialization=write)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "object",
            "format": FORMAT,
            "properties": {
                "id": {"type": "string", "pattern": f"^{uploads.ID.pattern}$"},
                "name": {"type": "string", "maxLength": uploads.NAME_LENGTH},
                "size": {"type": "integer", "minimum": 0},
                "content_type": {"type": "string"},
            },
            "required": ["id"],
        }


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """In Annotated: the files that a parameter accepts. `accept`: content types (`image/*`) and suffixes (`.pdf`); none: all."""

    accept: tuple[str, ...] = ()
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.accept, str) or any(not ("/" in each or each.startswith(".")) for each in self.accept):
            raise ValueError('accept is a tuple of content types and ends of names, e.g. ("image/*", ".pdf")')
        if self.max_bytes is not None and self.max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described: dict[str, Any] = handler(schema)
        self._describe(described)
        return described

    def _describe(self, schema: Any) -> None:
        """Write the limits into each file schema."""
        if isinstance(schema, dict) and schema.get("format") == FORMAT:
            if self.accept:
                schema["x-accept"] = list(self.accept)
            if self.max_bytes is not None:
                schema["x-max-bytes"] = self.max_bytes
        elif isinstance(schema, dict | list):
            for inner in schema.values() if isinstance(schema, dict) else schema:
                self._describe(inner)

    def _check(self, value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(each, Upload):
                continue
            if self.max_bytes is not None and each.size > self.max_bytes:
                size, most = in_units(each.size), in_units(self.max_bytes)
                if size == most:
                    size, most = f"{each.size} bytes", f"{self.max_bytes}"
                raise ValueError(f"The file {each.name} is {size}; give one of at most {most}")
            if self.accept and not any(_fits(each, one) for one in self.accept):
                raise ValueError(f"The file {each.name} is {each.content_type}; give one of the kind {', '.join(self.accept)}")
        return value


def in_units(size: int) -> str:
    """Format a number of bytes: 12 bytes, 3.5 kB, 20 MB."""
    if size < 1000:
        return counted(size, "byte")
    number, unit = (size / 1000, "kB") if size < 999_950 else (size / 1_000_000, "MB")
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


def _read(value: Any) -> Upload:
    """The file of a reference: the answer of POST /api/v1/files, or the text of its id, or id/name."""
    if isinstance(value, Upload):
        value = value.reference
    if isinstance(value, str):
        id, _, name = value.partition("/")
        value = {"id": id, "name": name} if name else {"id": id}
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise ValueError("Choose a file. A program gives what POST /api/v1/files answered")
    try:
        size = uploads.size_of(value["id"])
    except JobsError as error:
        raise ValueError(str(error)) from None
    if value.get("size", size) != size:
        raise ValueError(f"The file {value['id']} has {counted(size, 'byte')}, not {value['size']!r:.30}")
    name, kind = value.get("name", "file"), value.get("content_type")
    if not isinstance(name, str) or uploads.clean_name(name) != name:
        raise ValueError("A file's name is a text of 1 to 255 printable characters without / and \\")
    kind = mimetypes.guess_type(name)[0] or UNKNOWN if kind is None else kind
    if not isinstance(kind, str) or not 1 <= len(kind) <= 255 or not kind.isprintable():
        raise ValueError("A file's content type is a text such as image/png")
    return Upload(value["id"], name, size, kind)


def _fits(upload: Upload, accepted: str) -> bool:
    if accepted.startswith("."):
        return upload.name.lower().endswith(accepted.lower())
    return fnmatch.fnmatch(upload.content_type.partition(";")[0].strip().lower(), accepted.lower())
