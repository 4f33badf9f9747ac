"""YAML as data that JSON could hold: no aliases, merges or dates, each key once, numbers and depth within bounds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

MAX_DEPTH = 32  # of lists and mappings in each other
MAX_NUMBER = 400  # characters; a double's longest spelling in decimals has some 330


def parse_yaml(text: str) -> Any:
    """The one document of a text; dates are text, as they stand.

    Raises:
        ValueError: not such YAML; the message names the line and what is wrong, and holds at most a word of the text.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses more
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}{' '.join(str(error.problem or error.context).split())[:200]}") from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())[:200] or type(error).__name__) from None


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML without what can blow a small text up, or be read in two ways."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        times = Counter((key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem="merges (<<) are not allowed", problem_mark=key.start_mark)
            if isinstance(key, yaml.ScalarNode) and times[key.tag, key.value] > 1:
                raise yaml.MarkedYAMLError(problem="a key stands there twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """A whole number or another one, that a double or a person could have written."""
        if len(node.value) > MAX_NUMBER:
            problem = f"a number has more than {MAX_NUMBER} characters"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        whole = node.tag == "tag:yaml.org,2002:int"
        try:
            return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        except ValueError:
            raise yaml.MarkedYAMLError(problem="expected a number", problem_mark=node.start_mark) from None

    def construct_text(self, node: yaml.ScalarNode) -> Any:
        """A date, which need not be one."""
        return self.construct_scalar(node)


for _kind in ("int", "float"):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _StrictLoader.construct_number)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.construct_text)
