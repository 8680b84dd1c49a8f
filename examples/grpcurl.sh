#!/bin/sh
# The service asked with grpcurl, which takes the contract from the service itself (reflection).
# Usage: sh grpcurl.sh host:port project element
set -eu
server=$1 project=$2 element=$3

# Which services are there.
grpcurl -plaintext "$server" list

# What was announced, and what is announced from now on (until interrupted).
grpcurl -plaintext -d '{"filter": {"projects": ["'"$project"'"]}, "page_size": 10}' "$server" hookfetch.v1.RefService/List
grpcurl -plaintext -d '{"filter": {"projects": ["'"$project"'"]}}' "$server" hookfetch.v1.RefService/Watch

# Track one element, and have its sources in the source cache.
grpcurl -plaintext -d '{"project": "'"$project"'", "element": "'"$element"'"}' "$server" hookfetch.v1.SourceService/Track
grpcurl -plaintext -d '{"project": "'"$project"'", "element": "'"$element"'"}' "$server" hookfetch.v1.SourceService/Fetch

# With TLS and a token: leave out -plaintext, and add -H "authorization: Bearer $(cat token)".
