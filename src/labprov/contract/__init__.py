"""The contract suite, as a plugin of pytest: run it with ``pytest -p labprov.contract``.

It runs in any folder, an empty one included, and tests every provider that is installed, or those that
``--labprov-provider`` names. Where a ``conftest.py`` says ``pytest_plugins = ["labprov.contract"]`` the suite
is not run; its fixtures and options are there, for test classes derived from those in
:mod:`labprov.contract.suite`.
"""

from __future__ import annotations

from labprov.contract.fixtures import bench as bench
from labprov.contract.fixtures import labprov_examples as labprov_examples
from labprov.contract.fixtures import labprov_seed as labprov_seed
from labprov.contract.fixtures import labprov_target as labprov_target
from labprov.contract.plugin import pytest_addoption as pytest_addoption
from labprov.contract.plugin import pytest_collection_modifyitems as pytest_collection_modifyitems
from labprov.contract.plugin import pytest_configure as pytest_configure
from labprov.contract.plugin import pytest_generate_tests as pytest_generate_tests
from labprov.contract.plugin import pytest_load_initial_conftests as pytest_load_initial_conftests
from labprov.contract.plugin import pytest_make_collect_report as pytest_make_collect_report
from labprov.contract.plugin import pytest_pyfunc_call as pytest_pyfunc_call
from labprov.contract.plugin import pytest_report_header as pytest_report_header
from labprov.contract.plugin import pytest_report_teststatus as pytest_report_teststatus
from labprov.contract.plugin import pytest_runtest_makereport as pytest_runtest_makereport
from labprov.contract.plugin import pytest_sessionstart as pytest_sessionstart
from labprov.contract.plugin import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
