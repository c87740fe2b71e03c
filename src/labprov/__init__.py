"""labprov: a provider framework for network labs."""
