# SPDX-License-Identifier: Apache-2.0
"""Holds values against the schemas of an OpenAPI document: of JSON Schema, what that document uses.

A member that the schema does not list is a fault too: what the server answers is to be documented.
"""

import re

KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
KNOWN = {"$ref", "anyOf", "type", "enum", "pattern", "format", "minimum", "maximum", "maxLength", "items", "required"}
KNOWN |= {"properties", "additionalProperties", "description", "example"}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Document:
    """One OpenAPI document. faults() of a value: a list of texts, empty if it fits."""

    def __init__(self, document):
        self.document = document

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def operation(self, method, path):
        return self.document["paths"][path][method.lower()]

    def answer(self, method, path, status):
        """The schema of an answer's body; None if it is not described as JSON."""
        answers = self.operation(method, path)["responses"]
        content = answers.get(str(status), answers["default"]).get("content", {})
        return content["application/json"]["schema"] if "application/json" in content else None

    def body(self, method, path):
        return self.resolve(self.operation(method, path)["requestBody"]["content"]["application/json"]["schema"])

    def faults(self, value, schema, where="body"):
        schema = self.resolve(schema)
        unknown = set(schema) - KNOWN
        assert not unknown, f"{where}: this module does not know {unknown}"
        if "anyOf" in schema:
            tried = [self.faults(value, each, where) for each in schema["anyOf"]]
            return [] if [] in tried else min(tried, key=len)
        if "type" in schema and not self.is_of(value, schema["type"]):
            return [f"{where}: {value!r} is no {schema['type']}"]
        faults = []
        if "enum" in schema and value not in schema["enum"]:
            faults.append(f"{where}: {value!r} is none of {schema['enum']}")
        if schema.get("format") == "date-time" and not DATE_TIME.fullmatch(value):
            faults.append(f"{where}: {value!r} is no time")
        if isinstance(value, list):
            for index, item in enumerate(value):
                faults += self.faults(item, schema["items"], f"{where}[{index}]")
        if isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
            faults += self.faults_of_members(value, schema, where)
        return faults

    def faults_of_members(self, value, schema, where):
        more = schema.get("additionalProperties", False)
        faults = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            known = schema.get("properties", {}).get(name, more)
            if known is False:
                faults.append(f"{where}: {name} is not documented")
            elif known is not True:
                faults += self.faults(member, known, f"{where}.{name}")
        return faults

    @staticmethod
    def is_of(value, kinds):
        kinds = kinds if isinstance(kinds, list) else [kinds]
        return any(isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds)
