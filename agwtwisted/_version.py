"""The version, in the one place that the package and its metadata read."""

VERSION = "26.11.0"
