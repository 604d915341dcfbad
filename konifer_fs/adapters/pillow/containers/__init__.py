"""One reader per container: is it complete, and what does its header say. No pixel is decoded here.

Used by `probe`. A reader takes all bytes of a file (a map of it, as a rule), raises NotWhole where they are no
complete picture, and may let IndexError and struct.error escape: they mean that the bytes end early.
"""

import mmap

Buffer = bytes | mmap.mmap
