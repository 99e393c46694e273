"""Random flow programs, run untraced and traced: same behaviour, and a tree that equals what ran."""
