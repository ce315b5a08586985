#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The cases of sandbox_strict.py through sandbox_driver: the launcher alone, without recorder and CLI."""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
driver = os.path.join(os.environ.get("TELLTALE_BUILD", "build"), "tests", "integration", "sandbox_driver")
os.execv(sys.executable, [sys.executable, os.path.join(here, "sandbox_strict.py"), driver])
