"""What the house needs and no user imports: engines for tests, checks of the packages."""
