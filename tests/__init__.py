"""The tests, which mirror the tree. A package, since some library installs one of this name too."""
