"""Serves what workers of this machine keep of upstreams, unstaged, to clients: git mirrors as git's smart
HTTP, and files by their addresses. Nothing is fetched for a client here, and nothing is taken from one.
"""
