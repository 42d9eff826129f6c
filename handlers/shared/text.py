"""Text that comes from outside."""


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8; half of a surrogate pair (`\\ud800`) cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
