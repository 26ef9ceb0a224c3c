"""Marked values: a YAML or JSON document whose every value knows its line and column."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from yaml.nodes import Node


class EditFileError(ValueError):
    """An edit file that cannot be used; the message names file, line and column."""


@dataclass(frozen=True, eq=False)
class Marked:
    """One value of a document.

    Args:
        node: what YAML read.
        path: of the file.
        name: of the value, such as ``swaps[0].strength``.
        confined: whether the document comes from somebody who may neither run code nor read files
            other than those that lie beside it.
    """

    node: Node
    path: Path
    name: str = ""
    confined: bool = False

    @property
    def place(self) -> str:
        """Return ``FILE:LINE:COLUMN``, counted from 1."""
        mark = self.node.start_mark
        return f"{self.path}:{mark.line + 1}:{mark.column + 1}"

    def fail(self, problem: str) -> NoReturn:
        """Raise an error about this value."""
        raise EditFileError(f"{self.place}: {self.name + ': ' if self.name else ''}{problem}")

    def wrong(self, wanted: str) -> NoReturn:
        """Raise an error that tells what was wanted and what came."""
        self.fail(f"expected {wanted}, got {self._shown()}")

    def fields(self, known: Sequence[str], *, required: Iterable[str] = ()) -> dict[str, Marked]:
        """Read a mapping.

        Args:
            known: keys that it may have.
            required: keys that it must have.

        Raises:
            EditFileError: no mapping, or a key that is unknown, given twice or missing.
        """
        if self.node.id != "mapping":
            self.wrong(f"a mapping with {_listed(known)}")
        found: dict[str, Marked] = {}
        for key_node, value_node in self.node.value:
            key = Marked(key_node, self.path, self.name, self.confined)
            word = key_node.value if key_node.id == "scalar" else key._shown()
            if word not in known:
                close = get_close_matches(word, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                key.fail(f"unknown key {word!r}{hint} (known: {_listed(known)})")
            if word in found:
                key.fail(f"key {word!r} is given twice; keep one of the two")
            name = f"{self.name}.{word}" if self.name else word
            found[word] = Marked(value_node, self.path, name, self.confined)
        for word in required:
            if word not in found:
                self.fail(f"key {word!r} is missing")
        return found

    def items(self, wanted: str) -> list[Marked]:
        """Read a list; ``wanted`` says of what."""
        if self.node.id != "sequence":
            self.wrong(f"a list of {wanted}")
        return [
            Marked(node, self.path, f"{self.name}[{index}]", self.confined)
            for index, node in enumerate(self.node.value)
        ]

    @property
    def is_list(self) -> bool:
        """Tell a list from other values."""
        return self.node.id == "sequence"

    def is_word(self, word: str) -> bool:
        """Tell whether this is one certain word."""
        return self.node.id == "scalar" and bool(self.node.value == word)

    def text(self, wanted: str) -> str:
        """Read a text that is not empty."""
        if self.node.id != "scalar" or self._kind != "str" or not self.node.value.strip():
            self.wrong(wanted)
        return str(self.node.value)

    def truth(self) -> bool:
        """Read true or false."""
        if self.node.id != "scalar" or self._kind != "bool":
            self.wrong("true or false")
        return self.node.value.lower() in ("true", "yes", "on")

    def number(self, wanted: str, *, low: float, high: float = math.inf) -> float:
        """Read a finite number in ``[low, high]``; ``wanted`` describes it."""
        value = self._number()
        if value is None or not low <= value <= high:
            self.wrong(wanted)
        return value

    def integer(self, wanted: str, *, low: int) -> int:
        """Read a whole number of at least ``low``."""
        value = self._number()
        if value is None or value != int(value) or value < low:
            self.wrong(wanted)
        return int(value)

    def _number(self) -> float | None:
        # By our own rule: YAML 1.1 takes 1:30 for ninety and 1e3 for a word.
        if self.node.id != "scalar" or self.node.style in ("'", '"') or self._kind == "bool":
            return None
        try:
            value = float(self.node.value)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    @property
    def _kind(self) -> str:
        return str(self.node.tag).rpartition(":")[2]

    def _shown(self) -> str:
        if self.node.id == "scalar":
            if self._kind == "null":
                return "nothing"
            quoted = self._kind == "str" and self._number() is None
            return repr(self.node.value) if quoted else str(self.node.value)
        return {"mapping": "a mapping", "sequence": "a list"}[self.node.id]


def read_marked(path: Path, *, confined: bool = False) -> Marked:
    """Read a YAML or JSON file.

    Args:
        path: of the file.
        confined: see `Marked`.

    Raises:
        FileNotFoundError: no such file.
        EditFileError: not text, not YAML, or empty.
    """
    if not path.is_file():
        raise FileNotFoundError(f"edit file {path} not found")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise EditFileError(f"{path}:1:1: expected text in UTF-8, got other bytes") from error
    if path.suffix.lower() == ".json":
        _require_json(text, path)
        # JSON allows tabs between values only, where YAML allows none.
        text = text.replace("\t", " ")
    return Marked(_composed(text, path), path, confined=confined)


def _composed(text: str, path: Path) -> Node:
    import yaml

    try:
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
        raise EditFileError(f"{place}: not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        raise EditFileError(f"{path}:{line}:{column}: not valid YAML: {error.reason}") from error
    except RecursionError as error:
        raise EditFileError(f"{path}:1:1: not valid YAML: nested too deeply") from error
    if node is None:
        raise EditFileError(f"{path}:1:1: expected edits, got an empty file")
    return node


def _require_json(text: str, path: Path) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise EditFileError(f"{place}: not valid JSON: {error.msg}") from error


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
