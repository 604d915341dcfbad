"""JPEG XL (ISO/IEC 18181): the file's boxes, and as much of the codestream as tells its size, colours and end.

A bare codestream has no length, so its end is found by walking the frames' tables of contents. That needs the
entropy decoder, since an ICC profile and a table's permutation are entropy-coded; pixels are never decoded.
"""
