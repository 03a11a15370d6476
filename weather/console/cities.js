// Places to pick from: name, degrees north, degrees east.

export const CITIES = [
  ["Washington, DC", 38.9072, -77.0369], ["Anchorage, AK", 61.2181, -149.9003], ["Atlanta, GA", 33.749, -84.388],
  ["Boston, MA", 42.3601, -71.0589], ["Chicago, IL", 41.8781, -87.6298], ["Denver, CO", 39.7392, -104.9903],
  ["Honolulu, HI", 21.3069, -157.8583], ["Houston, TX", 29.7604, -95.3698], ["Los Angeles, CA", 34.0522, -118.2437],
  ["Miami, FL", 25.7617, -80.1918], ["Minneapolis, MN", 44.9778, -93.265], ["New Orleans, LA", 29.9511, -90.0715],
  ["New York, NY", 40.7128, -74.006], ["Phoenix, AZ", 33.4484, -112.074], ["San Francisco, CA", 37.7749, -122.4194],
  ["San Juan, PR", 18.4655, -66.1057], ["Seattle, WA", 47.6062, -122.3321], ["Topeka, KS", 39.0473, -95.6752],
];
