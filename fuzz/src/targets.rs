//! The targets, floor by floor.

use crate::{Target, Verdict};

pub mod base;
pub mod build;
pub mod bundle;
pub mod command_line;
pub mod disk;
pub mod object;
pub mod pack;
pub mod store;
pub mod trust;
pub mod wire;

/// Every target.
pub const ALL: &[Target] = &[
    target("check-name", base::check_name),
    target("entry-name", base::entry_name),
    target("hash", base::hash),
    target("key-name", base::key_name),
    target("link-target", base::link_target),
    target("path", base::path),
    target("portable-names", base::portable_names),
    target("ref-name", base::ref_name),
    target("remark", base::remark),
    target("repo-name", base::repo_name),
    target("time", base::time),
    target("archive", object::archive),
    target("archive-form", object::archive_form),
    target("frame", object::frame),
    target("patch", object::patch),
    target("recipe", object::recipe),
    target("script", object::script),
    target("snapshot", object::snapshot),
    target("tree", object::tree),
    target("tree-index", object::tree_index),
    target("pack", pack::whole),
    target("pack-header", pack::header),
    target("pack-index", pack::index),
    target("heads", trust::heads),
    target("keyset", trust::keyset),
    target("keyset-note", trust::keyset_note),
    target("note", trust::note),
    target("public-key", trust::public_key),
    target("ref-note", trust::ref_note),
    target("ref-pattern", trust::ref_pattern),
    target("ref-statement", trust::ref_statement),
    target("refs-list", trust::refs_list),
    target("secret-key", trust::secret_key),
    target("token", trust::token),
    target("token-blocks", trust::token_blocks),
    target("token-key", trust::token_key),
    target("exclude", disk::exclude),
    target("settings", store::settings),
    target("checkout-marker", build::checkout_marker),
    target("spec", build::spec),
    target("stat-cache", build::stat_cache),
    target("problem", wire::problem),
    target("wire-answer", wire::answer),
    target("wire-request", wire::request),
    target("build-id", command_line::build_id),
    target("duration", command_line::duration),
    target("label", command_line::label),
    target("bundle", bundle::whole),
];

const fn target(name: &'static str, run: fn(&[u8]) -> Verdict) -> Target {
    Target { name, run }
}
