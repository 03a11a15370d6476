#!/usr/bin/env bash
# us 4.0.0: `us.states.lookup` takes words that sound like a state for the state.
#
# A good guess: the look-up of a name or a code gives that state, or None where there is none.
# What happens: what is no code is compared by sound (Metaphone), which drops the vowels: "men" is Maine, "organ"
#   Oregon, "misery" Missouri and "illness" Illinois. A right name with a word more ("New York State") is None. The
#   result does not tell a match from a guess.
# Why it matters: where a model or a person writes the state, a wrong word gives weather and alerts of a place that
#   nobody asked for, and no error to mend it by. Compare names exactly (`field="name"` does), and suggest near ones in
#   the error.
# Source: the project's README ("phonetic state name lookup"); python-us issue 59 ("New York State").
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check us==4.0.0
timeout 60 "$work/bin/python" - <<'PYTHON'
from importlib.metadata import version

import us

print("us", version("us"))
looked_up = {}
for word in ("ME", "Maine", "men", "organ", "misery", "illness", "New York", "New York State"):
    state = us.states.lookup(word)
    exact = us.states.lookup(word, field="name")
    looked_up[word] = state and state.abbr
    print(f"{word:15} {looked_up[word]!s:5} by its exact name: {exact}")
    assert exact is None or exact.name == word, "a look-up by field is no longer exact"
sound = {"men": "ME", "organ": "OR", "misery": "MO", "illness": "IL"}
assert {word: looked_up[word] for word in sound} == sound, "words are compared otherwise"
assert (looked_up["ME"], looked_up["Maine"], looked_up["New York"]) == ("ME", "ME", "NY"), "states are not found"
assert looked_up["New York State"] is None, "a longer name is found now"
PYTHON
