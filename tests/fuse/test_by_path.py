"""What is known at and below a path: what going over everything would find, whatever came, went and moved before."""

import random
from itertools import product

from konifer_fs.domain.node import ROOT_ID, Directory, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse.inodes import Inodes

PATHS = [AssetPath(labels) for depth in range(4) for labels in product("ab", repeat=depth)]


def test_what_is_known_below_each_path_is_what_was_last_read_there() -> None:
    chance = random.Random(1)
    inodes = Inodes(Directory(id=ROOT_ID, path=AssetPath(), made=True))
    for step in range(500):
        number, path = chance.randrange(2, 30), chance.choice(PATHS[1:])
        if chance.random() < 0.3:
            inodes.forget(number, 1)
        elif number % 3:
            inodes.note(Symlink(id=number, path=path, name="l", target=""), ROOT_ID, "l", step).lookups = 1
        else:
            inodes.note(Directory(id=number, path=path, made=True), ROOT_ID, path.label, step).lookups = 1
        for place in PATHS:
            known = [(inode, inode.node) for inode in inodes if isinstance(inode.node, Directory | Symlink)]
            below = [inode for inode, node in known if node.path.is_within(place)]
            assert sorted(inode.number for inode in inodes.within(place)) == sorted(inode.number for inode in below)
            directory = inodes.at_path(place)
            assert directory in below or directory is None
    for number in range(2, 30):
        inodes.forget(number, 1)
    assert [inode.number for inode in inodes.within(AssetPath())] == [ROOT_ID]
    assert not inodes._by_path._root.folders
