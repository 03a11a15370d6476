"""A National Weather Service for trying and testing, which fails on demand; all weather is invented."""

from weather.simulator.app import Faults, FaultsError, Simulator, app

__all__ = ["Faults", "FaultsError", "Simulator", "app"]
