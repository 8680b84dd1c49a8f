"""What is asked and fetched from upstreams in this process, over connections that stay open. It knows
addresses, bare mirrors and how the `git_repo` plugin asks, and nothing of elements and projects."""
