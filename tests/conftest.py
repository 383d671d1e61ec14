"""For all tests: no example of hypothesis fails because the machine was busy; pytest's own timeout bounds each test."""

from hypothesis import settings

settings.register_profile("tercet", deadline=None)
settings.load_profile("tercet")
