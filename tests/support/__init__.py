"""What tests of several rooms need: a private broker and the like."""
