"""The National Weather Service, api.weather.gov: asked once, kept as long as it says, given stale when it fails."""
