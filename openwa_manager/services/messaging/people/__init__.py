"""What callers ask about people: how many a user may write to, to whom never, who is on WhatsApp, and to forget one."""
