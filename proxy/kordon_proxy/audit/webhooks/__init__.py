"""Webhooks: events told to people in a chat, or to programs, by HTTP."""
