"""A National Weather Service for trying and testing, which fails on demand; all weather is invented."""

from weather.simulator.app import Simulator, app
from weather.simulator.faults import Faults, FaultsError

__all__ = ["Faults", "FaultsError", "Simulator", "app"]
