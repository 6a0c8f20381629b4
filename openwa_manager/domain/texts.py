"""How long texts may be that come from outside: the types that carry one cut it when they are made."""

#: Of a name, a number, a code or an id; WhatsApp's own names end at 25 characters.
NAME_MAX = 256
#: Of a sentence that says what happened.
DETAIL_MAX = 1000


def cut(record: object, **limits: int) -> None:
    """Shorten these fields of a record that is just being made; None stays None."""
    for name, max_chars in limits.items():
        value = getattr(record, name)
        if value is not None and len(value) > max_chars:
            object.__setattr__(record, name, value[:max_chars])
