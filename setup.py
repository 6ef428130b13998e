"""EL8's %py3_build still calls setup.py; everything is in setup.cfg."""
from setuptools import setup

setup()
