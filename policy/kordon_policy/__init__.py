"""Roles, policies and tenants: values to decisions. No bytes of the wire, no sockets, no clock."""
