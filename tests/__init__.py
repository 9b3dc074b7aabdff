"""The suite; it mirrors `agwtwisted`."""

from hypothesis import settings

# Property tests are judged by what comes out, not by how busy the machine is.
settings.register_profile("agwtwisted", settings.default, deadline=None)
settings.load_profile("agwtwisted")
