"""What we test with, shipped so that users can test with it too: a clock, and the contract of every port.

Nothing here patches anything of ours: substitutes are small, real implementations that are passed in.
"""
