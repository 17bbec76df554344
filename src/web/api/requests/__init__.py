"""What every route of the API shares: the blueprint, conditional requests, the rate limit. Imports no other part of the API."""
