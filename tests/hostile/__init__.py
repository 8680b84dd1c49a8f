"""Bytes that were made elsewhere, whatever they are."""
