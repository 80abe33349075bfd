//! The targets, floor by floor.

use crate::Target;

pub mod base;
pub mod build;
pub mod object;
pub mod trust;

/// Every target.
pub const ALL: &[Target] = &[
    Target {
        name: "entry-name",
        run: base::entry_name,
    },
    Target {
        name: "hash",
        run: base::hash,
    },
    Target {
        name: "path",
        run: base::path,
    },
    Target {
        name: "ref-name",
        run: base::ref_name,
    },
    Target {
        name: "time",
        run: base::time,
    },
    Target {
        name: "frame",
        run: object::frame,
    },
    Target {
        name: "pack",
        run: object::pack,
    },
    Target {
        name: "recipe",
        run: object::recipe,
    },
    Target {
        name: "snapshot",
        run: object::snapshot,
    },
    Target {
        name: "tree",
        run: object::tree,
    },
    Target {
        name: "heads",
        run: trust::heads,
    },
    Target {
        name: "keyset",
        run: trust::keyset,
    },
    Target {
        name: "keyset-note",
        run: trust::keyset_note,
    },
    Target {
        name: "note",
        run: trust::note,
    },
    Target {
        name: "public-key",
        run: trust::public_key,
    },
    Target {
        name: "ref-pattern",
        run: trust::ref_pattern,
    },
    Target {
        name: "ref-statement",
        run: trust::ref_statement,
    },
    Target {
        name: "refs-list",
        run: trust::refs_list,
    },
    Target {
        name: "secret-key",
        run: trust::secret_key,
    },
    Target {
        name: "spec",
        run: build::spec,
    },
];
