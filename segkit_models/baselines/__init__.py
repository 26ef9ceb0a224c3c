"""Published methods to compare with, as plain modules. Configs name their classes."""
