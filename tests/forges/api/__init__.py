"""The REST APIs of the forges, asked at a stand-in that keeps to their published descriptions."""
