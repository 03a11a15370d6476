"""The application, on a hypercorn of a version that it does not know."""

import importlib.metadata

_version = importlib.metadata.version
importlib.metadata.version = lambda name: "0.19.0" if name == "hypercorn" else _version(name)

from app import app  # noqa: E402, F401  (which looks at the version when it is imported)
