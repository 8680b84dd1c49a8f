"""Generated from proto/hookfetch/v1 by proto/generate.py. Do not edit."""
