"""Does a request, or an answer, keep to a forge's published description?"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator

_FOLDER = Path(__file__).parent / "descriptions"
# GitLab's groups are described as the projects that they look like.
_ALIKE = ((re.compile(r"^/groups/"), "/projects/"),)


class Description:
    """One forge's operations, in OpenAPI 3.0 or Swagger 2.0."""

    def __init__(self, name: str) -> None:
        self._document: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
        self._swagger = "swagger" in self._document
        self._paths = [
            (re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path)
            for path in self._document["paths"]
        ]

    def problems_of_request(
        self, method: str, path: str, query: Mapping[str, str], body: object
    ) -> list[str]:
        """Return what is not as described in a request to `path` (still quoted)."""
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not described"]
        parameters = [self._followed(each) for each in operation["parameters"]]
        known = {each["name"]: each for each in parameters if each["in"] == "query"}
        problems = [f"{method} {path}: ?{name}= is not described" for name in query if name not in known]
        for name, value in query.items():
            most = known.get(name, {}).get("schema", {}).get("maximum")
            if most is not None and int(value) > most:
                problems.append(f"{method} {path}: {name} is at most {most}")
        schema = self._body_schema(operation, parameters)
        if schema is None:
            return problems if body is None else [*problems, f"{method} {path}: takes no body"]
        return problems + self._misfits(schema, body, f"{method} {path}", written=True)

    def problems_of_answer(self, method: str, path: str, status: int, body: object) -> list[str]:
        """Return what is not as described in an answer; a failure that is not described may say anything."""
        operation = self._operation(method, path)
        assert operation is not None
        answer = operation["responses"].get(str(status))
        if answer is None:
            return [f"{method} {path}: {status} is not described"] if status < 300 else []
        answer = self._followed(answer)
        content = answer if self._swagger else answer.get("content", {}).get("application/json", {})
        schema = content.get("schema")
        if schema is None:
            return [] if body is None or status >= 300 else [f"{method} {path}: {status} has no body"]
        return self._misfits(schema, body, f"{method} {path} {status}", written=False)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, alike in _ALIKE:
            path = pattern.sub(alike, path)
        for pattern, template in self._paths:
            item = self._document["paths"][template]
            if pattern.match(path) and method.lower() in item:
                operation = item[method.lower()]
                return {
                    **operation,
                    "parameters": [*item.get("parameters", []), *operation.get("parameters", [])],
                }
        return None

    def _body_schema(self, operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Any:
        if self._swagger:
            return next((each["schema"] for each in parameters if each["in"] == "body"), None)
        return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")

    def _misfits(self, schema: object, value: object, where: str, *, written: bool) -> list[str]:
        # The schema's references start at the document's root, so it is put beside the definitions.
        root = "definitions" if self._swagger else "components"
        whole = {"allOf": [schema], root: self._document[root]}
        kind = Draft4Validator if self._swagger else OAS30WriteValidator if written else OAS30ReadValidator
        return [f"{where}: {error.json_path}: {error.message}" for error in kind(whole).iter_errors(value)]

    def _followed(self, item: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in item:
            reference, item = item["$ref"], self._document
            for part in reference.removeprefix("#/").split("/"):
                item = item[part]
        return item
