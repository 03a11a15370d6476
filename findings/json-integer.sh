#!/usr/bin/env bash
# jsonschema 4.26.0 against msgspec 0.22.0 and strict pydantic 2.14.4: 2.0 is an integer to the schema, and to them not.
#
# A good guess: a value that passes the JSON Schema which a model gave out passes the model.
# What happens: both models publish {"type": "integer"}. JSON Schema counts every number without a fraction as an
#   integer, 2.0 and 1e1 too. msgspec and pydantic in strict mode look at how the number is written, and refuse both;
#   pydantic without strict mode takes them. msgspec has a lax mode (`strict=False`) that takes them as well.
# Why it matters: an MCP client checks a call against `inputSchema`, finds it valid, and gets "invalid params" back.
#   JavaScript writes 2.0 as 2 and never meets it; Python, Go and models that write JSON themselves do. Either take
#   whole floats, or say so in the error.
# Source: JSON Schema 2020-12, Validation, section 6.1.1 ("integer" matches any number with a zero fractional part).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check \
    jsonschema==4.26.0 msgspec==0.22.0 pydantic==2.14.4
timeout 60 "$work/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

import jsonschema
import msgspec
import pydantic


class Lax(pydantic.BaseModel):
    days: int


class Strict(Lax):
    model_config = {"strict": True}


class Struct(msgspec.Struct):
    days: int


def takes(read, text):
    try:
        read(text)
    except (jsonschema.ValidationError, msgspec.ValidationError, pydantic.ValidationError):
        return False
    return True


READERS = {
    "schema of the pydantic model": lambda text: jsonschema.validate(json.loads(text), Strict.model_json_schema()),
    "schema of the msgspec struct": lambda text: jsonschema.validate(json.loads(text), msgspec.json.schema(Struct)),
    "pydantic": Lax.model_validate_json,
    "pydantic, strict": Strict.model_validate_json,
    "msgspec": lambda text: msgspec.json.decode(text, type=Struct),
    "msgspec, strict=False": lambda text: msgspec.json.decode(text, type=Struct, strict=False),
}
print({name: version(name) for name in ("jsonschema", "msgspec", "pydantic")})
table = {}
for text in ('{"days": 2}', '{"days": 2.0}', '{"days": 1e1}', '{"days": 2.5}'):
    table[text] = {name: takes(read, text) for name, read in READERS.items()}
    print(text, *(f"\n    {name:28} {'valid' if valid else 'refused'}" for name, valid in table[text].items()))
assert all(table['{"days": 2}'].values()), "2 is refused"
assert not any(table['{"days": 2.5}'].values()), "2.5 is taken"
for text in ('{"days": 2.0}', '{"days": 1e1}'):
    refused = {name for name, valid in table[text].items() if not valid}
    assert refused == {"pydantic, strict", "msgspec"}, f"{text} is now refused by {refused}"
PYTHON
