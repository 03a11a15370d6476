"""A simulated National Weather Service, which fails on demand. All weather is invented."""

from weather.simulator.app import Simulator, app
from weather.simulator.faults import Faults, FaultsError

__all__ = ["Faults", "FaultsError", "Simulator", "app"]
