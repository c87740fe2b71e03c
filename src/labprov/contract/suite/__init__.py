"""Every clause of the contract; derive from a class to run its clauses among tests of your own."""

from labprov.contract.suite.declaration import TestDeclaration as TestDeclaration
from labprov.contract.suite.identity import TestIdentity as TestIdentity
from labprov.contract.suite.lifecycle import TestLifecycle as TestLifecycle
from labprov.contract.suite.links import TestLinks as TestLinks
from labprov.contract.suite.model import TestModel as TestModel
from labprov.contract.suite.persistence import TestPersistence as TestPersistence
from labprov.contract.suite.recovery import TestRecovery as TestRecovery
