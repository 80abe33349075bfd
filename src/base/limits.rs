//! Limits: the largest of everything that Bindery accepts, in one table.
//!
//! Writers enforce what readers will enforce, so nothing can be stored that cannot be read again. Each limit names its
//! reason; the relations between them are asserted when the crate is compiled.
//!
//! # Not here
//!
//! How large things *should* be, such as the bytes of a frame: those are choices of the writers in `object`.

/// One kibibyte.
pub const KIB: u64 = 1024;
/// One mebibyte.
pub const MIB: u64 = 1024 * KIB;
/// One gibibyte.
pub const GIB: u64 = 1024 * MIB;
/// One tebibyte.
pub const TIB: u64 = 1024 * GIB;

/// Bytes of one tree node: a peer cannot make a reader hold more than this for a directory listing.
pub const TREE_BYTES_MAX: u64 = MIB;
/// Lines of one tree node: with the longest names they still fit [`TREE_BYTES_MAX`].
pub const TREE_LINES_MAX: usize = 2048;
/// Entries up to which a directory is one node, whatever its names.
pub const TREE_UNCUT_MAX: usize = 512;
/// Levels of index above the leaves of a wide directory: each divides by 256 on average, so 8 hold any directory; more
/// can only come from names made to collide.
pub const TREE_LEVELS_MAX: usize = 8;
/// Bytes of one snapshot.
pub const SNAPSHOT_BYTES_MAX: u64 = 128 * KIB;
/// Bytes of a keyset's text.
pub const KEYSET_BYTES_MAX: u64 = 64 * KIB;
/// Bytes of a heads statement's text.
pub const HEADS_BYTES_MAX: u64 = 8 * KIB;
/// Bytes of a ref statement's text.
pub const REF_STATEMENT_BYTES_MAX: u64 = 8 * KIB;
/// Signature lines of one note: a keyset never needs more, and each costs a verification.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Bytes of one file.
pub const BLOB_BYTES_MAX: u64 = TIB;
/// Bytes of one name in a directory: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of one path: what system calls take.
pub const PATH_BYTES_MAX: usize = 4095;
/// Names in one path: bounds every recursion over trees.
pub const PATH_DEPTH_MAX: usize = 128;
/// Bytes of a symbolic link's target.
pub const LINK_BYTES_MAX: u64 = 4095;
/// Files and links of one snapshot.
pub const SNAPSHOT_FILES_MAX: u64 = 50_000_000;
/// Files, links and directories of one snapshot: as many directories as files. Trees that name one another over and over
/// have more, in few objects.
pub const SNAPSHOT_ENTRIES_MAX: u64 = 2 * SNAPSHOT_FILES_MAX;
/// Expanded bytes of one snapshot.
pub const SNAPSHOT_TOTAL_BYTES_MAX: u64 = 64 * TIB;
/// Bytes of one frame before compression: what a reader may have to hold for one object.
pub const FRAME_BYTES_MAX: u64 = 16 * MIB;
/// Bytes of the zstd window of a stored frame: bounds a decoder's memory.
pub const FRAME_WINDOW_LOG_MAX: u32 = 23;
/// Bytes of the targets of one group of patches: what is encoded or applied at once. A single target may be larger.
pub const PATCH_GROUP_BYTES_MAX: u64 = 16 * MIB;
/// Bytes of one base or target of a patch: bounds the memory of encoders.
pub const PATCH_BYTES_MAX: u64 = 256 * MIB;
/// Bytes of the zstd window of a stream in a patch, as a power of two: bounds an applier's memory.
pub const PATCH_WINDOW_LOG_MAX: u32 = 27;
/// Targets of one patch: bounds its table.
pub const PATCH_TARGETS_MAX: usize = 65_536;
/// Bytes of bases and targets together of a patch by its third method, which is for texts: bounds an applier's memory.
pub const PATCH_TEXT_BYTES_MAX: u64 = 64 * MIB;
/// Bytes on both sides of the ends of copies of a patch by its third method that are their surroundings.
pub const PATCH_REACH_BYTES_MAX: u64 = 64 * KIB;
/// How many times as many bytes an archive may have unpacked, beside [`ARCHIVE_UNPACKED_BYTES_MIN`]: bounds the work of making it again.
pub const ARCHIVE_EXPANSION_MAX: u64 = 16;
/// Bytes that any archive may have unpacked, however small it is.
pub const ARCHIVE_UNPACKED_BYTES_MIN: u64 = MIB;
/// Bytes of the least that is deflated again: less gains nothing, and starting costs as much.
pub const ARCHIVE_DEFLATED_BYTES_MIN: usize = 64;
/// Bytes of the least that LZMA2 compresses again: its tables are made anew for each stream.
pub const ARCHIVE_LZMA_BYTES_MIN: usize = 4096;
/// Streams in streams of an archive that is unfolded: a package in which modules are compressed.
pub const ARCHIVE_LEVELS_MAX: usize = 2;
/// Archives in archives that lie in one stream: a tar in an ar.
pub const ARCHIVE_NESTING_MAX: usize = 2;
/// Compressed streams of one archive that are expanded: bounds its recipe.
pub const ARCHIVE_STREAMS_MAX: usize = 65_536;
/// Bytes of the smallest archive that is looked at: a smaller one gains nothing.
pub const ARCHIVE_BYTES_MIN: usize = 64;
/// Code of the largest LZMA2 dictionary of a stream that is made again, 8 MiB: bounds what its compressor takes.
pub const ARCHIVE_DICTIONARY_CODE_MAX: u8 = 22;
/// Bytes that compressing a stream of an archive takes beside it: liblzma with the largest dictionary takes 95 MiB.
pub const ARCHIVE_CODER_BYTES_MAX: u64 = 100 * MIB;
/// Bytes of the text of one script: a million changed paths of common length.
pub const SCRIPT_BYTES_MAX: u64 = 128 * MIB;
/// Lines that tell a path in one script: those of the longest releases that change all over. Bounds the memory of receivers.
pub const SCRIPT_STEPS_MAX: usize = 2_000_000;
/// Names in the paths of one script: four in each of the most, or eight in each of a million.
pub const SCRIPT_NAMES_MAX: usize = 8_000_000;
/// Objects in one pack: bounds its index.
pub const PACK_OBJECTS_MAX: u32 = 4_000_000;
/// Bytes of one pack file that a reader maps. A store starts a new one at 64 MiB; a release travels as one pack if it fits.
pub const PACK_BYTES_MAX: u64 = 16 * GIB;
/// Bytes of a delta or bundle that comes through a pipe: the largest pack, and more than the proofs of a bundle take.
pub const PIPED_BYTES_MAX: u64 = PACK_BYTES_MAX + GIB;
/// Bytes of a pack that is handed in to a build.
pub const UPLOAD_BYTES_MAX: u64 = GIB;
/// Blobs above this are cut into chunks; up to it they are stored whole.
pub const WHOLE_BLOB_BYTES_MAX: u64 = 8 * MIB;
/// Pieces in one recipe; larger blobs have recipes of recipes.
pub const RECIPE_PIECES_MAX: usize = 65_536;
/// Recipes within recipes: two levels hold 65,536 x 65,536 chunks, far past [`BLOB_BYTES_MAX`].
pub const RECIPE_LEVELS_MAX: usize = 2;
/// Labels of one build or snapshot.
pub const LABELS_MAX: usize = 64;
/// Bytes of one label, key and value together.
pub const LABEL_BYTES_MAX: usize = 1024;
/// Bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Parents of one snapshot.
pub const PARENTS_MAX: usize = 16;
/// Bytes of a ref's or repo's name: every component then fits a file name.
pub const REF_NAME_BYTES_MAX: usize = 255;
/// Bytes of one glob: those who read it recurse as deep as its braces.
pub const GLOB_BYTES_MAX: usize = 1024;
/// Bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 64;
/// Bytes of a token: it has to fit a header of a request.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Blocks of a token: each is a hash and a look at what was revoked, for every request.
pub const TOKEN_BLOCKS_MAX: usize = 8;
/// Bytes of the name of an outside check.
pub const CHECK_NAME_BYTES_MAX: usize = 64;
/// Checks that the policy of one ref asks for.
pub const POLICY_CHECKS_MAX: usize = 16;
/// Checks that report on one build, asked for or not: bounds the build's row, which every list of builds reads.
pub const BUILD_CHECKS_MAX: usize = 64;
/// Events of a build that are kept; the oldest go.
pub const BUILD_EVENTS_MAX: u32 = 4096;
/// Bytes of what a check says about its finding: a sentence and an address of more.
pub const REMARK_BYTES_MAX: usize = 1024;
/// Refs of one repo: bounds the refs object that `heads` names.
pub const REFS_MAX: usize = 100_000;
/// Statements followed back along `prev` before giving up.
pub const STATEMENT_CHAIN_MAX: usize = 256;
/// Operations of one build: each is one row and one walk of the merge.
pub const OPERATIONS_MAX: usize = 100_000;
/// Paths named in one message or answer about conflicts or missing objects.
pub const LISTED_PATHS_MAX: usize = 100;

/// Bytes that an archive of `bytes` bytes, or a base of as many, may have unpacked.
#[must_use]
pub const fn archive_form_bytes_max(bytes: u64) -> u64 {
    let most = bytes
        .saturating_mul(ARCHIVE_EXPANSION_MAX)
        .saturating_add(ARCHIVE_UNPACKED_BYTES_MIN);
    if most < PATCH_BYTES_MAX {
        most
    } else {
        PATCH_BYTES_MAX
    }
}

/// Longest line of a tree node: kind, 14 digits, hash, name, three spaces and the end of line; index lines are shorter
/// than this plus one more number.
const TREE_LINE_BYTES_MAX: u64 = 1 + 20 + 20 + 64 + NAME_BYTES_MAX as u64 + 5;
const _: () = assert!(TREE_LINES_MAX as u64 * TREE_LINE_BYTES_MAX + 256 <= TREE_BYTES_MAX);
const _: () = assert!(POLICY_CHECKS_MAX <= BUILD_CHECKS_MAX);
const _: () = assert!(TREE_UNCUT_MAX <= TREE_LINES_MAX);
const _: () = assert!(WHOLE_BLOB_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(PATCH_GROUP_BYTES_MAX <= PATCH_BYTES_MAX);
const _: () = assert!(2 * PATCH_BYTES_MAX < u32::MAX as u64);
const _: () = assert!(FRAME_WINDOW_LOG_MAX <= PATCH_WINDOW_LOG_MAX);
const _: () = assert!(PATCH_TEXT_BYTES_MAX <= 1 << PATCH_WINDOW_LOG_MAX);
const _: () = assert!(TREE_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(SNAPSHOT_BYTES_MAX > MESSAGE_BYTES_MAX as u64);
const _: () = assert!(RECIPE_PIECES_MAX as u64 * 80 < FRAME_BYTES_MAX);
