"""The calls about people: quotas, opt-outs, who is on WhatsApp, and forgetting somebody."""
