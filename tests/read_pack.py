#!/usr/bin/env python3
"""Reads packs from what docs/FORMAT.md says alone: a second implementation, to check the first.

    read_pack.py PACK               checks everything, lists the objects: kind, id, length
    read_pack.py PACK --tree ID     prints a tree node after checking that its text is canonical
    read_pack.py PACK --cat ID      writes an object's bytes; a blob with a recipe is put together

Needs the packages blake3 and zstandard. Exits with 1 and a message if anything disagrees.

It shares no code with Bindery, and is written to be compared with the document, section by section. Not here:
whether trees are complete, and where wide directories are cut, which takes more than one pack to know.
"""

import argparse
import re
import struct
import sys
from typing import NamedTuple

import blake3
import zstandard

MIB = 1 << 20
FRAME_BYTES_MAX = 16 * MIB
FRAME_WINDOW_BYTES_MAX = 8 * MIB
PACK_BYTES_MAX = 16 * 1024 * MIB
PACK_OBJECTS_MAX = 4_000_000
TREE_BYTES_MAX = MIB
TREE_LINES_MAX = 2048
NAME_BYTES_MAX = 255
LINK_BYTES_MAX = 4095
BLOB_BYTES_MAX = MIB * MIB
SNAPSHOT_FILES_MAX = 50_000_000
SNAPSHOT_TOTAL_BYTES_MAX = 64 * MIB * MIB
RECIPE_PIECES_MAX = 65_536
RECIPE_LEVELS_MAX = 2

KINDS = {1: "blob", 2: "tree", 3: "snapshot", 4: "recipe"}
RAW, ZSTD = 0, 1

MAGIC = b"bindery\0"
HEADER = struct.Struct("<8sII16s")
FRAME_HEADER = struct.Struct("<B3sIII")
OBJECT_ROW = struct.Struct("<BI")
FANOUT = struct.Struct("<256I")
INDEX_ROW = struct.Struct("<32sB3sIII")
FRAME_ROW = struct.Struct("<QII")
TRAILER = struct.Struct("<QQII8s32s")

NUMBER = rb"(0|[1-9][0-9]{0,19})"
ID = rb"([0-9a-f]{64})"
TREE_HEADER = re.compile(rb"bindery (tree|tree-index) 1 " + NUMBER + b" " + NUMBER)
ENTRY_LINE = re.compile(rb"([fxld]) " + NUMBER + b" " + ID + rb" (.*)", re.DOTALL)
NODE_LINE = re.compile(rb"n " + NUMBER + b" " + NUMBER + b" " + ID + rb" (.*)", re.DOTALL)
RECIPE_HEADER = re.compile(rb"bindery recipe 1 " + NUMBER + b" " + ID)
PIECE_LINE = re.compile(rb"p " + NUMBER + b" " + ID)


class Wrong(Exception):
    """The bytes are not what the format says."""


class Object(NamedTuple):
    """A row of the index, with the bytes it leads to."""

    kind: str
    id: str
    content: bytes


def require(condition, message):
    """Raises Wrong unless the condition holds."""
    if not condition:
        raise Wrong(message)


def hash_of(content):
    """The BLAKE3 hash of bytes, in hex digits."""
    return blake3.blake3(content).hexdigest()


# Packs


def read_pack(pack):
    """Checks a whole pack, and gives its objects in the order of the index, by (id, kind byte)."""
    frames_end, rows, frame_table = read_parts(pack)
    frames = list(read_frames(pack, frames_end, frame_table))
    require(sum(map(len, frames)) == len(rows), "index and frames do not list as many objects")
    objects = {}
    for digest, kind_byte, reserved, frame, start, length in rows:
        name = digest.hex()
        require(reserved == bytes(3), f"reserved bytes of {name} are not zero")
        require(frame < len(frames), f"{name} is in a frame that is not there")
        found = frames[frame].get((start, length))
        require(found and found[0] == kind_byte, f"{name} is not where the index says")
        content = found[1]
        kind = KINDS[kind_byte]
        made = read_recipe(content)[1] if kind == "recipe" else hash_of(content)
        require(made == name, f"{kind} {name} has the id {made}")
        objects[digest, kind_byte] = Object(kind, name, content)
    keys = list(objects)
    require(len(keys) == len(rows) and keys == sorted(keys), "index does not ascend")
    return list(objects.values())


def read_parts(pack):
    """Checks header, trailer, hash and fan-out; gives where the frames end, the index rows and the frame table."""
    require(HEADER.size + FANOUT.size + TRAILER.size <= len(pack) <= PACK_BYTES_MAX, "length of the file")
    magic, version, reserved, _salt = HEADER.unpack_from(pack)
    require(magic == MAGIC, "no pack: does not start with 'bindery'")
    require(version == 1, f"version {version}")
    require(reserved == 0, "reserved bytes of the header are not zero")
    fields = TRAILER.unpack_from(pack, len(pack) - TRAILER.size)
    index_offset, table_offset, objects, frames, magic, digest = fields
    require(magic == MAGIC, "trailer does not hold 'bindery'")
    require(digest == blake3.blake3(pack[:-32]).digest(), "hash of the trailer")
    require(objects <= PACK_OBJECTS_MAX and frames <= objects, "counts of the trailer")
    rows_offset = index_offset + FANOUT.size
    require(index_offset >= HEADER.size, "offset of the index")
    require(table_offset == rows_offset + objects * INDEX_ROW.size, "offset of the frame table")
    require(len(pack) == table_offset + frames * FRAME_ROW.size + TRAILER.size, "length of the frame table")
    rows = list(INDEX_ROW.iter_unpack(pack[rows_offset:table_offset]))
    counts = [0] * 256
    for row in rows:
        counts[row[0][0]] += 1
    listed = 0
    for first, end in enumerate(FANOUT.unpack_from(pack, index_offset)):
        listed += counts[first]
        require(end == listed, f"fan-out of {first:#04x}")
    frame_table = list(FRAME_ROW.iter_unpack(pack[table_offset : -TRAILER.size]))
    return index_offset, rows, frame_table


def read_frames(pack, frames_end, frame_table):
    """Gives, for each frame, its objects: (start, length) to (kind byte, bytes)."""
    end = HEADER.size
    for number, (offset, stored_bytes, raw_bytes) in enumerate(frame_table):
        require(offset == end, f"frame {number} does not start where the one before it ends")
        end += FRAME_HEADER.size + stored_bytes
        require(end <= frames_end, f"frame {number} reaches into the index")
        codec, reserved, objects, raw, stored = FRAME_HEADER.unpack_from(pack, offset)
        require((stored, raw) == (stored_bytes, raw_bytes), f"frame {number} and frame table disagree")
        require(reserved == bytes(3), f"reserved bytes of frame {number} are not zero")
        require(raw <= FRAME_BYTES_MAX, f"frame {number} is too large")
        require(0 < objects * OBJECT_ROW.size <= raw, f"number of objects in frame {number}")
        payload = pack[offset + FRAME_HEADER.size : end]
        yield read_payload(expand(codec, payload, raw), objects)
    require(end == frames_end, "frames do not end where the index starts")


def expand(codec, payload, raw_bytes):
    """Undoes the compression of a frame."""
    if codec == RAW:
        require(len(payload) == raw_bytes, "length of a raw frame")
        return payload
    require(codec == ZSTD, f"unknown codec {codec}")
    require(len(payload) < raw_bytes, "a compressed frame is not smaller")
    try:
        found = zstandard.get_frame_parameters(payload)
        require(found.content_size == raw_bytes, "content size of a zstd frame")
        require(found.dict_id == 0, "a zstd frame wants a dictionary")
        require(found.window_size <= FRAME_WINDOW_BYTES_MAX, "window of a zstd frame")
        decoder = zstandard.ZstdDecompressor().decompressobj()
        raw = decoder.decompress(payload)
    except zstandard.ZstdError as error:
        raise Wrong(f"zstd: {error}") from error
    require(decoder.eof and not decoder.unused_data, "a payload is not one zstd frame")
    require(len(raw) == raw_bytes, "length of an expanded frame")
    return raw


def read_payload(payload, objects):
    """Takes an expanded payload apart."""
    found = {}
    start = objects * OBJECT_ROW.size
    for kind, length in OBJECT_ROW.iter_unpack(payload[:start]):
        require(kind in KINDS, f"unknown kind of object {kind}")
        require(length > 0 or kind == 1, "an empty object that is no blob")
        require(length > 0 or not any(size == 0 for _, size in found), "two empty objects in a frame")
        content = payload[start : start + length]
        require(len(content) == length, "objects are longer than their frame")
        found[start, length] = (kind, content)
        start += length
    require(start == len(payload), "objects are shorter than their frame")
    return found


# Texts


def lines_of(text, what):
    """The lines of a canonical text, without their ends."""
    require(text.endswith(b"\n"), f"the last line of the {what} does not end in LF")
    return text[:-1].split(b"\n")


def number(digits, most, what):
    """A number within its limit."""
    value = int(digits)
    require(value <= most, f"{what} {value} is above {most}")
    return value


def read_recipe(text):
    """Gives bytes and id of the blob, and its pieces: (bytes, id)."""
    first, *lines = lines_of(text, "recipe")
    header = RECIPE_HEADER.fullmatch(first)
    require(header, "first line of a recipe")
    require(2 <= len(lines) <= RECIPE_PIECES_MAX, "number of pieces of a recipe")
    pieces = []
    for line in lines:
        match = PIECE_LINE.fullmatch(line)
        require(match and int(match[1]) > 0 and match[2] != header[2], "a piece of a recipe")
        pieces.append((int(match[1]), match[2].decode()))
    total = number(header[1], BLOB_BYTES_MAX, "bytes of a recipe")
    require(sum(size for size, _ in pieces) == total, "pieces of a recipe do not add up")
    return total, header[2].decode(), pieces


def check_name(name):
    """Checks the name of an entry."""
    require(1 <= len(name) <= NAME_BYTES_MAX, f"length of the name {name!r}")
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong(f"name {name!r} is not UTF-8") from error
    require(text not in (".", "..") and "/" not in text, f"name {text!r}")
    require(not re.search("[\x00-\x1f\x7f-\x9f]", text), f"control character in {text!r}")
    visible = re.sub("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]", "", text)
    stem = visible.split(":")[0].rstrip(". ")
    reserved = stem.isascii() and stem.lower() == ".bindery"
    require(not reserved, f"name {text!r} is reserved")
    return text


def read_tree(text):
    """Checks a tree node, and gives its lines as they are."""
    require(len(text) <= TREE_BYTES_MAX, "length of the tree")
    first, *lines = lines_of(text, "tree")
    header = TREE_HEADER.fullmatch(first)
    require(header, "first line of the tree")
    files = number(header[2], SNAPSHOT_FILES_MAX, "files of a tree")
    total = number(header[3], SNAPSHOT_TOTAL_BYTES_MAX, "bytes of a tree")
    require(len(lines) <= TREE_LINES_MAX, "number of lines of the tree")
    read_line = read_entry if header[1] == b"tree" else read_node
    entries = [read_line(line) for line in lines]
    names = [name for *_, name in entries]
    require(all(a < b for a, b in zip(names, names[1:])), "names do not ascend")
    if header[1] == b"tree-index":
        require(entries, "an index without lines")
        return lines
    own = [size for kind, size, _ in entries if kind != b"d"]
    require(len(own) <= files and sum(own) <= total, "totals of the tree are too small")
    exact = len(own) == len(entries)
    require(not exact or (len(own), sum(own)) == (files, total), "totals of the tree")
    return lines


def read_entry(line):
    """Checks a line of a leaf: gives kind, size, name."""
    match = ENTRY_LINE.fullmatch(line)
    require(match, f"line {line!r} of a tree")
    kind = match[1]
    most = {b"d": TREE_BYTES_MAX, b"l": LINK_BYTES_MAX}.get(kind, BLOB_BYTES_MAX)
    size = number(match[2], most, "size of an entry")
    require(size > 0 or kind in b"fx", "a link or directory of no bytes")
    check_name(match[4])
    return kind, size, match[4]


def read_node(line):
    """Checks a line of an index: gives entries beneath, size, last name."""
    match = NODE_LINE.fullmatch(line)
    require(match, f"line {line!r} of an index")
    entries = number(match[1], 2**64 - 1, "entries of a node")
    size = number(match[2], TREE_BYTES_MAX, "size of a node")
    require(entries > 0 and size > 0, "an empty node")
    check_name(match[4])
    return entries, size, match[4]


# The command


def find(objects, wanted, kinds):
    """The object called by an id, as the first of the kinds that the pack has."""
    for kind in kinds:
        for found in objects:
            if (found.kind, found.id) == (kind, wanted):
                return found
    raise Wrong(f"no {' or '.join(kinds)} {wanted}")


def blob_of(objects, wanted, levels=RECIPE_LEVELS_MAX):
    """The bytes of a blob, put together if need be."""
    found = find(objects, wanted, ["blob", "recipe"])
    if found.kind == "blob":
        return found.content
    require(levels > 0, "recipes are nested too deeply")
    _, _, pieces = read_recipe(found.content)
    parts = [(size, blob_of(objects, piece, levels - 1)) for size, piece in pieces]
    require(all(len(part) == size for size, part in parts), f"length of a piece of {wanted}")
    content = b"".join(part for _, part in parts)
    require(hash_of(content) == wanted, f"the pieces of {wanted} do not make it")
    return content


def content_of(objects, wanted):
    """The bytes of an object of any kind."""
    if any(found.id == wanted and found.kind in ("tree", "snapshot") for found in objects):
        return find(objects, wanted, ["tree", "snapshot"]).content
    return blob_of(objects, wanted)


def main():
    """Does what the command line says."""
    parser = argparse.ArgumentParser(description="Checks and reads a Bindery pack.")
    parser.add_argument("pack")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--tree", metavar="ID")
    wanted.add_argument("--cat", metavar="ID")
    arguments = parser.parse_args()
    try:
        with open(arguments.pack, "rb") as file:
            pack = file.read(PACK_BYTES_MAX + 1)
        objects = read_pack(pack)
        if arguments.tree:
            for line in read_tree(find(objects, arguments.tree, ["tree"]).content):
                print(line.decode())
        elif arguments.cat:
            sys.stdout.buffer.write(content_of(objects, arguments.cat))
        else:
            for found in objects:
                print(found.kind, found.id, len(found.content))
    except (OSError, Wrong) as error:
        print(f"{arguments.pack}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
