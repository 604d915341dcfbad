"""What renders: decoding, changing and encoding pixels with Pillow, in processes of their own.

`worker` answers the engine, `pipeline` makes one picture of another; a module a step is beside them.
"""
