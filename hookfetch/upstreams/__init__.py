"""Asking the outside: what do the followed repositories hold now?"""
