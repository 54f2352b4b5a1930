"""The one kind of error that export.py reports as a single line."""

USAGE, INTEGRITY = 2, 3  # exit codes: a request that cannot be met; a file that is damaged or incomplete


class Refusal(Exception):
    """Says what was found, what was wanted and what to do next. `code` becomes the exit status."""

    def __init__(self, message, code=USAGE):
        super().__init__(message)
        self.code = code
