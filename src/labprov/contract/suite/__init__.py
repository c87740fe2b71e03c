"""Every clause of the contract; derive from a class to run its clauses among tests of your own."""
