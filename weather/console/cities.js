// Places to pick from.

export const CITIES = [
  "Washington, DC", "Anchorage, AK", "Atlanta, GA", "Boston, MA", "Chicago, IL", "Denver, CO", "Honolulu, HI",
  "Houston, TX", "Los Angeles, CA", "Miami, FL", "Minneapolis, MN", "New Orleans, LA", "New York, NY", "Phoenix, AZ",
  "San Francisco, CA", "San Juan, PR", "Seattle, WA", "Topeka, KS",
];
