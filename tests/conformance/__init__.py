"""Every case the engine must hold, as programs whose whole tree is the expected value."""
