"""The one exception of reading a configuration; the command line prints it and exits 2."""


class ConfigError(Exception):
    """One sentence for people: which file, which key, what is wrong with it, and what would be right."""

    def __str__(self) -> str:
        """Give the sentence on one line, whatever a key or a path is made of."""
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in super().__str__())
