"""The console: a web page of the control API, served below /console/. Its files are hand-written and need no build."""
